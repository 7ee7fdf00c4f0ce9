package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// I7: Ctrl-C, or a kill, at any time of a bootstrap and of a rotation. The run ends
// soon, the signer has a key at every moment, and the next run comes to the same end.
func TestInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		for after := time.Duration(0); after < 3*time.Second; after += 150 * time.Millisecond {
			t.Run(fmt.Sprintf("%s after %s", sig, after), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, "example.test").plain()
				l.interrupt(t, sig, after)
				l.run(t, "rotate", "--domain", "example.test").want(t, 0)
				first := l.wantSound(t, "example.test")
				l.interrupt(t, sig, after)
				l.signs(t, "example.test")
				l.finishTurn(t, *first.Standby)
				if st := l.wantSound(t, "example.test"); *st.Active != *first.Standby ||
					st.Selectors[*first.Active].KeyID == first.Selectors[*first.Active].KeyID {
					t.Errorf("the turn came to %+v", st)
				}
			})
		}
	}
}

// Who can't wait for the step in progress presses Ctrl-C again.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.Signer = strings.Replace(l.Signer, `["true"]`, fmt.Sprintf(`[sh, -c, "echo >> %s/busy; sleep 600"]
reload_timeout: 10m`, l.Dir), 1)
	l.write(t)
	cmd := l.command("rotate", "--domain", "example.test")
	// Tests that run in the background of a shell ignore this signal, and their children would.
	env, err := exec.LookPath("env")
	must(t, err)
	cmd.Args = append([]string{"env", "--default-signal=INT", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = env, nil
	must(t, cmd.Start())
	eventually(t, "the reload hangs", func() bool { return l.read(t, "busy") != "" })
	late := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for again := true; again; {
		cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
			again = false
		case <-time.After(100 * time.Millisecond):
		}
	}
	if !late.Stop() {
		t.Error("it continued for minutes")
	}
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended by itself: %v", cmd.ProcessState)
	}
	l.Signer = strings.Replace(l.Signer, "sleep 600", "true", 1)
	l.write(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	l.wantSound(t, "example.test")
}

// finishTurn carries the rotation to the selector on until it is over, and begins
// it where the interruption was too early for that.
func (l *lab) finishTurn(t *testing.T, selector string) {
	t.Helper()
	st := l.status(t, "example.test")
	if st.Phase == "ready" && *st.Active == selector {
		return
	}
	l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0, "phase ready")
}

// interrupt starts a rotation and sends it a signal after a while.
func (l *lab) interrupt(t *testing.T, sig syscall.Signal, after time.Duration) {
	t.Helper()
	cmd := l.command("rotate", "--domain", "example.test")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	must(t, cmd.Start())
	time.Sleep(after) // the point in time is what is tried; any is good
	cmd.Process.Signal(sig)
	late := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	cmd.Wait()
	if !late.Stop() {
		t.Errorf("it continued for minutes after the %s", sig)
	}
	switch code := cmd.ProcessState.ExitCode(); {
	case code == 0, code == -1: // it had ended, or not begun to listen
	case code == 1 && strings.Contains(said.String(),
		"Interrupted; the step in progress was finished, and nothing is lost. Not finished yet: 1 domain\n  example.test  ") &&
		strings.HasSuffix(said.String(), "\nTo continue: dkimbot rotate --domain example.test\n"):
	case code == 1 && strings.HasSuffix(said.String(),
		"Interrupted; the step in progress was finished. Nothing is left to do.\n"):
	case code == 1 && said.String() == "Interrupted before anything was begun. Run the same command again.\n":
	default:
		t.Errorf("it ended with %d:\n%s", code, said.String())
	}
}

// A run that stays, and tries a reload that fails again and again, says so in a pipe, too, and once: else whoever
// reads it sees nothing for minutes.
func TestWaitInAPipeSaysWhatFails(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.Signer = strings.Replace(l.Signer, `["true"]`, fmt.Sprintf(`[sh, -c, "echo >> %s/tried; false"]`, l.Dir), 1)
	l.write(t)
	cmd := l.command("rotate", "--domain", "example.test", "--wait")
	said, err := os.Create(filepath.Join(l.Dir, "said"))
	must(t, err)
	defer said.Close()
	cmd.Stderr = said
	must(t, cmd.Start())
	eventually(t, "it tries again", func() bool { return strings.Count(l.read(t, "tried"), "\n") > 1 })
	before := l.read(t, "said")
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	if n := strings.Count(before, "activate s1 mx1 failed: reload signer mx1"); n != 1 {
		t.Errorf("said %d times that the reload failed:\n%s", n, before)
	}
}

// A run of all that is due which is to wait stays for a drain that began before it, however it is called, and says where
// it stands when it is interrupted.
func TestDueWaits(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0)
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 15s", 1)
	l.write(t)
	l.stopWhileDraining(t, "rotate", "--domain", "example.test")
	l.run(t, "rotate", "--due").want(t, 0, "Nothing is due.")
	l.stopWhileDraining(t, "rotate", "--due", "--wait").want(t, 1, "Not finished yet: 1 domain",
		"example.test  phase draining (mail in flight is waited for; next: replace the key of s1")
	l.run(t, "rotate", "--due", "--wait").want(t, 0, "done s1: the old key", "phase ready")
	l.run(t, "rotate", "--due", "--wait").want(t, 0, "Nothing is due.")
}

// stopWhileDraining ends a command when it says that it waits for the drain.
func (l *lab) stopWhileDraining(t *testing.T, args ...string) result {
	t.Helper()
	log := filepath.Join(l.Dir, "draining.log")
	f, err := os.Create(log)
	must(t, err)
	defer f.Close()
	cmd := l.command(append(args, "--log-level", "info")...)
	cmd.Stdout, cmd.Stderr = f, f
	must(t, cmd.Start())
	eventually(t, "it waits for the drain", func() bool { return strings.Contains(l.read(t, "draining.log"), "reason=drain") })
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	cmd.Wait()
	return result{line: strings.Join(cmd.Args, " "), code: cmd.ProcessState.ExitCode(), out: l.read(t, "draining.log")}
}
