//go:build failpoints

package app

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/engine"
)

// A program that is built with the tag failpoints, for tests, can be asked to end at
// a given point of its work. Points lie before and after every effect, and before
// and after everything that is written about it (I7). Each has a name: what is about
// to happen or has just happened, and, from the second time on, which time it is.
//
//	DKIMBOT_FAILPOINTS=FILE  adds the name of each point that is reached to FILE, one a line
//	DKIMBOT_FAILPOINT=NAME   the process sends itself SIGKILL at that point
//	DKIMBOT_FAILSIGNAL=TERM  ... SIGTERM instead, and continues
type failpoints struct {
	at     string // "" for nowhere
	signal syscall.Signal
	log    *os.File // may be nil

	mu     sync.Mutex
	passed map[string]int
}

// withFailpoints returns the parts with points around all that changes anything.
func withFailpoints(parts engine.Parts) (engine.Parts, error) {
	f := &failpoints{at: os.Getenv("DKIMBOT_FAILPOINT"), signal: syscall.SIGKILL, passed: map[string]int{}}
	if os.Getenv("DKIMBOT_FAILSIGNAL") == "TERM" {
		f.signal = syscall.SIGTERM
	}
	if path := os.Getenv("DKIMBOT_FAILPOINTS"); path != "" {
		var err error
		if f.log, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return parts, err
		}
	}
	return f.wrap(parts), nil
}

// point is passed, or is where the process ends.
func (f *failpoints) point(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.passed[name]++
	if n := f.passed[name]; n > 1 {
		name = fmt.Sprintf("%s (%d)", name, n)
	}
	if f.log != nil {
		fmt.Fprintln(f.log, name)
	}
	if f.at != name {
		return
	}
	syscall.Kill(os.Getpid(), f.signal)
	if f.signal == syscall.SIGKILL {
		select {}
	}
	time.Sleep(50 * time.Millisecond) // the signal has been heard by the time that the work continues
}

// around does something between two points.
func (f *failpoints) around(what string, do func() error) error {
	f.point("before " + what)
	err := do()
	f.point("after " + what)
	return err
}
