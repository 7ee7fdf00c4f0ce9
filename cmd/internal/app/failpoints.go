//go:build failpoints

package app

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// A program that is built with the tag failpoints, for tests, can be told to end at
// a given point of its work. Points lie before and after every effect, and before
// and after everything that is written about it (I7). They are counted from 1:
//
//	DKIMBOT_FAILPOINTS=FILE  adds a line to FILE for each point that is reached: what is about to happen, or has just happened
//	DKIMBOT_FAILPOINT=N      the process sends itself SIGKILL at point N, or the first time that it reaches the point of the name N
//	DKIMBOT_FAILSIGNAL=TERM  ... SIGTERM instead, and goes on
//	DKIMBOT_CLOCK=FILE       the machine's clock is ahead by the duration that FILE holds, "-1h" for one that is behind
type failpoints struct {
	at     string // number or name; "" for nowhere
	signal syscall.Signal
	log    *os.File // may be nil

	mu     sync.Mutex
	passed int
}

// withFailpoints returns the parts with points around all that changes anything.
func withFailpoints(parts rotate.Parts) (rotate.Parts, error) {
	f := &failpoints{at: os.Getenv("DKIMBOT_FAILPOINT"), signal: syscall.SIGKILL}
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
	f.passed++
	if f.log != nil {
		fmt.Fprintln(f.log, name)
	}
	if f.at != name && f.at != strconv.Itoa(f.passed) {
		return
	}
	f.at = ""
	syscall.Kill(os.Getpid(), f.signal)
	if f.signal == syscall.SIGKILL {
		select {}
	}
	time.Sleep(50 * time.Millisecond) // the signal has been heard by the time that the work goes on
}

// around does something between two points.
func (f *failpoints) around(what string, do func() error) error {
	f.point("before " + what)
	err := do()
	f.point("after " + what)
	return err
}

// machineTime is the machine's clock, set as DKIMBOT_CLOCK says at this moment.
func machineTime() time.Time {
	path := os.Getenv("DKIMBOT_CLOCK")
	if path == "" {
		return time.Now()
	}
	text, err := os.ReadFile(path)
	ahead, bad := time.ParseDuration(strings.TrimSpace(string(text)))
	if err := errors.Join(err, bad); err != nil {
		panic(err)
	}
	return time.Now().Add(ahead)
}
