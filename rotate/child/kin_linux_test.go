package child

import (
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestNoMarkOfOthers: a reload that is started beside a hook does not get the hook's mark, with which the
// daemon that it has started would die at the hook's time-out.
func TestNoMarkOfOthers(t *testing.T) {
	var reload sync.WaitGroup
	ran := make(chan struct{})
	mark, err := startMarked(func() error {
		reload.Go(func() { startMarked(func() error { close(ran); return nil }, true) })
		select {
		case <-ran:
			t.Error("the limits were those of another program")
		case <-time.After(50 * time.Millisecond):
		}
		return nil
	}, false)
	if reload.Wait(); mark == 0 || err != nil {
		t.Errorf("the mark is %d, %v", mark, err)
	}
}

// TestTimeoutOfAll: what has left the program's group and session dies at the time-out, too:
// otherwise it would act when its time is long over. A daemon that a reload has started again stays.
func TestTimeoutOfAll(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		keeps  bool
		lives  bool
	}{
		"session of its own":      {"setsid sh -c 'echo $$ >PID; exec sleep 1000' & wait", false, false},
		"let go of":               {"setsid -f sh -c 'echo $$ >PID; exec sleep 1000'; sleep 1000", false, false},
		"twice":                   {"(setsid sh -c '(echo $$ >PID; exec sleep 1000) & wait' &); sleep 1000", false, false},
		"without its environment": {"env -i PATH=$PATH setsid sh -c 'echo $$ >PID; exec sleep 1000' & wait", false, false},
		"with nothing it was given": {"env -i setsid -f bash -c 'for n in {0..99}; do eval \"exec $n>&-\"; done; " +
			"echo $$ >PID; exec sleep 1000'; sleep 1000", false, false},
		// It says where it is once the program has let go of it.
		"daemon of a reload": {"setsid -f sh -c 'while test ! -e PID.free; do sleep 0.01; done; echo $$ >PID; " +
			"exec sleep 1000'; echo >PID.free; sleep 1000", true, true},
		"not let go of by a reload": {"setsid sh -c 'echo $$ >PID; exec sleep 1000' & wait", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			p := sh(strings.ReplaceAll(test.script, "PID", file))
			p.KeepsDaemons = test.keeps
			pid, err := strconv.Atoi(timedOut(t, p, file))
			if err != nil {
				t.Fatal(err)
			}
			alive := func() bool {
				_, _, ok := status(pid)
				return ok
			}
			if test.lives {
				if !alive() {
					t.Error("it was killed")
				}
				syscall.Kill(pid, syscall.SIGKILL)
				return
			}
			for deadline := time.Now().Add(time.Minute); alive(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					syscall.Kill(pid, syscall.SIGKILL)
					t.Fatal("it outlives the time-out")
				}
			}
		})
	}
}
