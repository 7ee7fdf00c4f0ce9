package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// SIGHUP ends Debian's OpenDKIM, and makes builds of May 2026 and later read their configuration again. Both call
// themselves 2.11.0, and libmilter, which ends at SIGHUP too, has a word in it. So it is tried: the daemon's own
// program is started a second time, on a socket of its own and for nothing, and gets the signal first.

// rehearsals is what came of it, by program.
type rehearsals struct {
	mu    sync.Mutex
	lives map[string]error // program's identity to why it ended; nil when it lives on
}

// signalled returns the daemon, if it lives on after the signal of the configuration, as far as that can be tried.
func (d *Daemon) signalled() (*process, error) {
	p, err := d.find()
	if err != nil || d.Signal != "hup" {
		return p, err
	}
	if err := d.rehearsed.of(p.program); err != nil {
		p.Release()
		return nil, &fault.Error{Kind: fault.Refused, Code: codes.UnsafeSignal,
			What: "use reload_signal hup with the opendkim of signer " + d.Signer, Err: err,
			Hint: "write reload_signal: usr1, which makes every OpenDKIM read its tables again"}
	}
	return p, nil
}

// of tries a program once.
func (r *rehearsals) of(program string) error {
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := identity(info)
	if err, known := r.lives[id]; known {
		return err
	}
	err = rehearse(program)
	if tried := (*notTried)(nil); errors.As(err, &tried) { // it may do better the next time
		return err
	}
	if r.lives == nil {
		r.lives = map[string]error{}
	}
	r.lives[id] = err
	return err
}

// identity tells a file from all others, and from itself before a change.
func identity(info fs.FileInfo) string {
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprint(st.Dev, st.Ino, st.Size, st.Mtim)
}

// notTried says why a program could not be tried.
type notTried struct{ error }

func (e *notTried) Unwrap() error { return e.error }

// settled is how long a daemon is watched after SIGHUP: libmilter looks every five seconds whether it is to end.
const settled = 6 * time.Second

// rehearse starts a program as a milter that listens where only dkimbot comes to, and sends it SIGHUP.
func rehearse(program string) (err error) {
	dir, err := os.MkdirTemp("", "dkimbot-opendkim-")
	if err != nil {
		return &notTried{err}
	}
	defer os.RemoveAll(dir)
	conf, socket := filepath.Join(dir, "opendkim.conf"), filepath.Join(dir, "socket")
	text := "Background no\nSyslog no\nMode v\nSocket local:" + socket + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return &notTried{err}
	}
	cmd := exec.Command(program, "-f", "-x", conf)
	runtime.LockOSThread() // the kernel ends what this thread has started with it, also when dkimbot is killed
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = withParent()
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if err := cmd.Start(); err != nil {
		return &notTried{fmt.Errorf("could not try what it does at SIGHUP: %w", err)}
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	defer func() { cmd.Process.Kill(); <-ended }()
	if err := answers(socket, ended, 30*time.Second, true); err != nil {
		return &notTried{fmt.Errorf("could not try what it does at SIGHUP: a second one that was started for that %w", err)}
	}
	if err := cmd.Process.Signal(signals["hup"]); err != nil {
		return &notTried{err}
	}
	if err := answers(socket, ended, settled, false); err != nil {
		return fmt.Errorf("SIGHUP ends this OpenDKIM: one that was started to try it %w", err)
	}
	return nil
}

// ending is how long a process that listens no more may take to end.
const ending = 10 * time.Second

// answers waits until a milter accepts connections (first), or sees that it does so all the time.
func answers(socket string, ended <-chan struct{}, within time.Duration, first bool) error {
	for deadline := time.Now().Add(within); ; {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		if (err == nil) == first {
			if first {
				return nil
			}
			select { // one that ends closes its socket first
			case <-ended:
				return errors.New("has ended")
			case <-time.After(ending):
				return errors.New("listens no more")
			}
		}
		if time.Now().After(deadline) {
			if first {
				return fmt.Errorf("does not listen: %w", err)
			}
			return nil
		}
		select {
		case <-ended:
			return errors.New("has ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
