package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// The audit log's limits.
const (
	auditWait  = 5 * time.Second  // how long anybody waits for a line to be durable
	auditRetry = 30 * time.Second // how often lines that could not be written are tried again
	auditKept  = 10_000           // how many of those are kept
	auditLock  = time.Second      // how long others may hold the log's lock
)

// audit appends one line for each document to a file, which it opens again each
// time: so whoever moves the file away gets a new one, without a signal. Lines that
// come at the same time share one fsync.
//
// A log that can't be written, on a full disk for instance, must not stop what is
// under way: signers would be left with different keys, and drained keys in use
// longer than they should be. So the lines are kept, as many as is sensible, and
// written when that is possible again. Nothing may happen unrecorded meanwhile
// either, so no switch begins meanwhile: see Notifier.Consent.
type audit struct {
	path   string
	log    *slog.Logger
	failed func(error) // called when writing begins to fail

	lines   chan auditLine
	ended   chan struct{}
	broken  atomic.Bool // the last write failed
	pending [][]byte    // lines that are yet to be written; for the writer alone
	lost    int         // lines that were too many to be kept
}

type auditLine struct {
	text []byte
	done chan<- error
}

func openAudit(path string, log *slog.Logger, failed func(error)) *audit {
	a := &audit{path: path, log: log, failed: failed, lines: make(chan auditLine, 1024), ended: make(chan struct{})}
	go a.write()
	return a
}

// note writes the document, and returns when it is durable, or the time to wait for
// that is over. While writing fails it does not wait, unless sure is true.
func (a *audit) note(d Document, sure bool) error {
	if a == nil {
		return nil
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	late := time.NewTimer(auditWait)
	defer late.Stop()
	errLate := fmt.Errorf("%s was not written within %s", a.path, auditWait)
	select {
	case a.lines <- auditLine{append(report.EscapeJSON(text), '\n'), done}:
	case <-late.C:
		return errLate
	}
	if a.broken.Load() && !sure {
		return nil
	}
	select {
	case err := <-done:
		return err
	case <-late.C:
		return errLate
	}
}

// close writes what is left, if it can, in the time given.
func (a *audit) close(within time.Duration) {
	if a == nil {
		return
	}
	close(a.lines)
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-a.ended:
	case <-late.C:
		a.log.Error("the audit log's disk does not answer; its last lines may be lost", "file", a.path)
		return
	}
	if n := len(a.pending) + a.lost; n > 0 {
		a.log.Error("lines of the audit log are lost: it could not be written", "file", a.path, "lines", n)
	}
}

func (a *audit) write() {
	defer close(a.ended)
	again := time.NewTicker(auditRetry)
	defer again.Stop()
	for {
		select {
		case l, ok := <-a.lines:
			if !ok {
				a.flush()
				return
			}
			a.take(l)
		case <-again.C:
			a.flush()
		}
	}
}

// take writes a line, with those that came meanwhile.
func (a *audit) take(l auditLine) {
	waiting := []chan<- error{l.done}
	a.keep(l.text)
	for more := len(a.lines); more > 0; more-- {
		if l, ok := <-a.lines; ok {
			a.keep(l.text)
			waiting = append(waiting, l.done)
		}
	}
	err := a.flush()
	for _, w := range waiting {
		w <- err
	}
}

func (a *audit) keep(line []byte) {
	if a.pending = append(a.pending, line); len(a.pending) > auditKept {
		a.pending = a.pending[1:]
		a.lost++
	}
}

// flush writes what is pending, and says when that begins or ceases to fail.
func (a *audit) flush() error {
	if len(a.pending) == 0 {
		return nil
	}
	err := a.append()
	was := a.broken.Swap(err != nil)
	switch {
	case err != nil && !was:
		a.log.Error("the audit log can't be written; rotations in progress continue, and no switch starts", "file", a.path,
			"error", err, "hint", a.remedy(err))
		a.failed(err)
	case err == nil && was:
		a.log.Info("the audit log can be written again", "file", a.path, "lost", a.lost)
		a.lost = 0
	}
	return err
}

func (a *audit) remedy(err error) string {
	if way := safefile.Remedy(err); way != "" {
		return way
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "make the directory " + filepath.Dir(a.path) + ", for the user that runs dkimbot"
	}
	return "make room, or give the file's directory to the user that runs dkimbot"
}

// append writes the pending lines, each in one write, and forgets those that were written.
func (a *audit) append() (err error) {
	dir, name, err := safefile.Parent(a.path)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, isNew, err := dir.Append(name, safefile.Ours(0o600))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := endLine(f); err != nil {
		return err
	}
	for len(a.pending) > 0 {
		if _, err := f.Write(a.pending[0]); err != nil {
			return err
		}
		a.pending = a.pending[1:]
	}
	if err := f.Sync(); err != nil || !isNew {
		return err
	}
	return dir.Sync()
}

// endLine ends a line that was cut off, when a disk was full, so that it spoils no
// other. The lock keeps it from a line that another process is writing; who may read the
// log can hold the lock as well, so it is not waited for long.
func endLine(f *os.File) error {
	for late := time.Now().Add(auditLock); time.Now().Before(late); time.Sleep(time.Millisecond) {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) &&
			!errors.Is(err, unix.EINTR) {
			if err != nil {
				return err
			}
			break
		}
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte("\n"))
	return err
}
