// Package child runs the programs that the configuration names: without a shell, with a small
// environment, and with bounded output. At the time-out all that came from a program
// dies with it, also what left its process group and its session.
//
// It is a leaf: every room may import it, and it imports the standard library only.
package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Limits on what is kept of a program's output.
const (
	MaxOutput = 16 << 20 // standard output, octets
	maxTail   = 64 << 10 // standard error, octets, the last ones
)

// ErrTimeout means that the program did not end in time; it was killed with all that it had started.
var ErrTimeout = errors.New("timed out and was killed")

// ErrTooLong means that the program wrote more than MaxOutput.
var ErrTooLong = fmt.Errorf("wrote more than %d octets", MaxOutput)

// Program is one run of a program.
type Program struct {
	Argv    []string // Argv[0] is looked up in PATH; there is no shell
	Env     []string // on top of Environment
	Stdin   []byte
	Timeout time.Duration
	// KeepsDaemons spares what the program has detached when it is killed: the daemon that a
	// reload has started again, without which mail would be turned away.
	KeepsDaemons bool
}

// Result is what a program wrote.
type Result struct {
	Stdout []byte
	Stderr []byte // its end
}

// Run starts the program and waits for it. The error is ErrTimeout, ErrTooLong, the error
// of a cancelled ctx, or says how the program failed to start or ended; it
// never holds what the program wrote.
func Run(ctx context.Context, p Program) (Result, error) {
	timed, cancel := context.WithTimeoutCause(ctx, p.Timeout, ErrTimeout)
	defer cancel()
	out, tail := &head{max: MaxOutput}, &tail{max: maxTail}
	cmd := exec.CommandContext(timed, p.Argv[0], p.Argv[1:]...)
	cmd.Env = append(Environment(os.Getenv), p.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(p.Stdin), out, tail
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	mark, started := uint64(0), make(chan struct{})
	cmd.Cancel = func() error {
		<-started
		if p.KeepsDaemons {
			mark = 0
		}
		(&kin{root: cmd.Process.Pid, mark: mark}).kill()
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes open
	mark, err := startMarked(cmd.Start, p.KeepsDaemons)
	close(started)
	if err == nil {
		err = cmd.Wait()
	}
	res := Result{Stdout: out.buf.Bytes(), Stderr: tail.buf}
	switch {
	case err != nil && timed.Err() != nil:
		return res, context.Cause(timed)
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // the program itself ended well
	}
	if err == nil && out.over {
		err = ErrTooLong
	}
	return res, err
}

// Environment returns the environment that every program gets: PATH, HOME and
// LANG from getenv, nothing else, so that no token or password of this process
// reaches it (invariant I9).
func Environment(getenv func(string) string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "LANG"} {
		if v := getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Tail trims what a program wrote to the last octets that fit into an error, and
// replaces what a terminal would obey.
func Tail(output []byte) string {
	const max = 500
	s := strings.ReplaceAll(string(output), "\r\n", "\n") // as ssh ends its lines
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	if len(s) > max {
		s = "…" + strings.ToValidUTF8(s[len(s)-max:], "")
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return '?'
		}
		return r
	}, s)
}

// head keeps the first octets written to it.
type head struct {
	buf  bytes.Buffer
	max  int
	over bool
}

func (h *head) Write(p []byte) (int, error) {
	keep := min(len(p), h.max-h.buf.Len())
	h.over = h.over || keep < len(p)
	h.buf.Write(p[:keep])
	return len(p), nil
}

// tail keeps the last octets written to it.
type tail struct {
	buf []byte
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append([]byte(nil), t.buf[over:]...)
	}
	return len(p), nil
}
