package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A terminal that goes away, as with a lost ssh session, ends a run as SIGTERM does: the step in progress is finished,
// however often the signal comes, the domain's state is whole, and what is written to the terminal is no failure.
func TestTerminalGoesAway(t *testing.T) {
	t.Parallel()
	l, x := newLab(t, "example.test"), newTerminal(t, 80)
	l.Signer = strings.Replace(l.Signer, `["true"]`, fmt.Sprintf(
		`[sh, -c, "echo >> %s/busy; while [ ! -e %s/end ]; do sleep 0.1; done"]`, l.Dir, l.Dir), 1)
	l.write(t)
	said, err := os.Create(filepath.Join(l.Dir, "said"))
	must(t, err)
	defer said.Close()
	cmd := l.command("rotate", "--domain", "example.test", "--wait")
	cmd.Stderr = said
	x.run(t, cmd)
	eventually(t, "the reload hangs", func() bool { return l.read(t, "busy") != "" })
	must(t, x.keys.Close())
	for range 3 {
		must(t, cmd.Process.Signal(syscall.SIGHUP))
		time.Sleep(50 * time.Millisecond) // one by one
	}
	l.file(t, "end", "")
	late := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
	result{"rotate", cmd.ProcessState.ExitCode(), "", l.read(t, "said")}.want(t, 1,
		"Interrupted; the step in progress was finished")
	l.run(t, "history").want(t, 0, "activate s1 mx1          done")
	l.run(t, "rotate", "--due").want(t, 0)
	l.wantSound(t, "example.test")
}

// Who starts a command with nohup wants it to go on.
func TestNohup(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.Signer = strings.Replace(l.Signer, `["true"]`, fmt.Sprintf(
		`[sh, -c, "echo >> %s/busy; while [ ! -e %s/end ]; do sleep 0.1; done"]`, l.Dir, l.Dir), 1)
	l.write(t)
	cmd := l.command("rotate", "--domain", "example.test")
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = "/bin/sh", nil
	must(t, cmd.Start())
	eventually(t, "the reload hangs", func() bool { return l.read(t, "busy") != "" })
	must(t, cmd.Process.Signal(syscall.SIGHUP))
	l.file(t, "end", "")
	late := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	l.wantSound(t, "example.test")
}
