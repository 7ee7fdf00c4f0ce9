package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slowHost is a signer that writes down what it signs with. An activation takes until
// there is a file go, once after there was a file slow.
const slowHost = `#!/bin/sh
cd %s
if [ "$DKIMBOT_ACTION" = activate ]; then
	if [ -e slow ]; then
		rm slow
		echo $$ >busy
		while [ ! -e go ]; do sleep 0.05; done
	fi
	echo "$DKIMBOT_SELECTOR $DKIMBOT_KEY_ID" >signs.new
	mv signs.new signs
fi
active=""
if [ -e signs ]; then
	read -r selector key <signs
	active="\"example.test\":{\"selector\":\"$selector\",\"key_id\":\"$key\"}"
fi
echo "{\"active\":{$active}}"
`

// slowLab returns a lab whose domain is ready, with a signer whose next activation
// takes until it is let go.
func slowLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, "example.test")
	l.file(t, "host", fmt.Sprintf(slowHost, l.Dir))
	must(t, os.Chmod(filepath.Join(l.Dir, "host"), 0o700))
	l.Signer = "driver: exec\ncommand: [" + filepath.Join(l.Dir, "host") + "]\ntimeout: 4m\nlag: 1ms"
	l.write(t)
	l.serve(t)
	l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0, "phase ready")
	time.Sleep(1100 * time.Millisecond) // until resolvers have forgotten that the standby was not there
	l.file(t, "slow", "")
	return l
}

// apart puts a command into a PID namespace of its own, as a container does.
func apart(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("unshare")
	must(t, err)
	cmd.Args = append([]string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = path, nil
	return cmd
}

// childOf returns the process that a command in a namespace of its own is, seen from here.
func childOf(t *testing.T, pid int) (child int) {
	t.Helper()
	eventually(t, "the command starts", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
		child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && child > 0
	})
	return child
}

// I8: that a process can't be seen is no proof that it is dead. It works on in another
// PID namespace, or its part of /proc is hidden, and nobody takes its lease.
func TestUnseenProcess(t *testing.T) {
	t.Parallel()
	l := slowLab(t)
	first := apart(t, l.command("rotate", "--domain", "example.test"))
	must(t, first.Start())
	eventually(t, "the activation is under way", func() bool { return l.read(t, "busy") != "" })
	l.run(t, "rotate", "--domain", "example.test").want(t, 3, "refused: work on example.test", "pid 1 ", "since ",
		"hint: wait for the other process, or stop it")
	finish(t, apart(t, l.command("rollback", "--domain", "example.test"))).want(t, 3, "pid 1 ")
	report := l.command("rotate", "--domain", "example.test", "--compromised", "--selector", "s1") // it waits
	must(t, report.Start())
	l.file(t, "go", "")
	must(t, first.Wait())
	must(t, report.Wait())
	if got := l.status(t, "example.test"); got.Phase == "switching" || !strings.HasPrefix(l.read(t, "signs"), "s2 ") {
		t.Errorf("the first process came to phase %s, and the host signs with %s", got.Phase, l.read(t, "signs"))
	}
}

// TestReportMeansTheKeyOfThen: a report of a compromised key that waits for another process, here one that switches
// signers, is of the key that signed when it was given. The one that they go to stays good, also when two people report
// at once (I2, I8).
func TestReportMeansTheKeyOfThen(t *testing.T) {
	t.Parallel()
	l := slowLab(t)
	leaked, good := l.status(t, "example.test").Selectors["s1"].KeyID, l.status(t, "example.test").Selectors["s2"].KeyID
	first := l.command("rotate", "--domain", "example.test")
	must(t, first.Start())
	eventually(t, "the activation is under way", func() bool { return l.read(t, "busy") != "" })
	var reports []*exec.Cmd
	for range 2 {
		report := l.command("rotate", "--domain", "example.test", "--compromised", "--wait")
		said, err := os.Create(l.path("said"))
		must(t, err)
		defer said.Close()
		report.Stderr = said
		must(t, report.Start())
		eventually(t, "it waits", func() bool {
			return strings.Contains(l.read(t, "said"), "the request is recorded after that")
		})
		reports = append(reports, report)
	}
	l.file(t, "go", "")
	for _, cmd := range append(reports, first) {
		if err := cmd.Wait(); err != nil {
			t.Logf("%v: %v", cmd.Args, err)
		}
	}
	l.run(t, "rotate", "--domain", "example.test", "--compromised", "--selector", "s1", "--wait").want(t, 0)
	got := l.status(t, "example.test")
	if got.Active == nil || *got.Active != "s2" || got.Selectors["s2"].KeyID != good ||
		got.Selectors["s1"].KeyID == leaked {
		t.Errorf("%v; s1 had %s, s2 %s", got, leaked, good)
	}
}

// The same where /proc hides the process that is at work.
func TestHiddenProcess(t *testing.T) {
	t.Parallel()
	l := slowLab(t)
	first := l.command("rotate", "--domain", "example.test")
	must(t, first.Start())
	eventually(t, "the activation is under way", func() bool { return l.read(t, "busy") != "" })
	second := l.command("rotate", "--domain", "example.test")
	path, err := exec.LookPath("unshare")
	must(t, err)
	hide := fmt.Sprintf(`mount -t tmpfs none /proc/%d && exec "$0" "$@"`, first.Process.Pid)
	second.Args = append([]string{"unshare", "--mount", "sh", "-c", hide, second.Path}, second.Args[1:]...)
	second.Path, second.Err = path, nil
	finish(t, second).want(t, 3, fmt.Sprintf("pid %d ", first.Process.Pid))
	l.file(t, "go", "")
	must(t, first.Wait())
}

// I8: a process that is stopped in the middle of an activation loses the domain to one
// that has watched its lease, and can't know that it is dead. What it does when it comes
// back is told, and put right at once.
func TestStoppedProcess(t *testing.T) {
	t.Parallel()
	l := slowLab(t)
	first := apart(t, l.command("rotate", "--domain", "example.test"))
	var said bytes.Buffer
	first.Stdout, first.Stderr = &said, &said
	must(t, first.Start())
	eventually(t, "the activation is under way", func() bool { return l.read(t, "busy") != "" })
	stopped := childOf(t, first.Process.Pid)
	must(t, syscall.Kill(stopped, syscall.SIGSTOP))

	began := time.Now()
	second := l.command("rollback", "--domain", "example.test")
	out, err := second.CombinedOutput()
	if waited := time.Since(began); err != nil || waited < 80*time.Second || waited > 200*time.Second {
		t.Fatalf("the second process took over after %s: %v\n%s", waited, err, out)
	}
	for _, told := range []string{"waiting for a lease that is not renewed", "pid 1 "} {
		if !strings.Contains(string(out), told) {
			t.Errorf("it did not say %q:\n%s", told, out)
		}
	}
	signsWith := func(selector string) bool { return strings.HasPrefix(l.read(t, "signs"), selector+" ") }
	if !signsWith("s1") {
		t.Fatalf("rolled back, and the host signs with %s", l.read(t, "signs"))
	}
	l.file(t, "go", "")
	eventually(t, "the late activation comes", func() bool { return signsWith("s2") })
	must(t, syscall.Kill(stopped, syscall.SIGCONT))
	var exit *exec.ExitError
	if err := first.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 ||
		!strings.Contains(said.String(), "it may have come after the lease had passed to another process") {
		t.Errorf("the first process ended with %v\n%s", err, said.String())
	}
	if !signsWith("s1") {
		t.Errorf("I8: the host signs with %s, where the late activation left it", l.read(t, "signs"))
	}
	l.run(t, "history", "--domain", "example.test").want(t, 0, "it may have come after the lease had passed",
		"was taken over: it had not been renewed")
	l.run(t, "plan", "--domain", "example.test", "--detailed-exitcode").want(t, 0, "phase ready")
}

// I8: the command of an exec signer outlives its dkimbot, which was killed. The next process
// ends it before it does anything, else it would set a key that is revoked meanwhile.
func TestCommandOfKilledProcess(t *testing.T) {
	t.Parallel()
	l := slowLab(t)
	first := l.command("rotate", "--domain", "example.test")
	must(t, first.Start())
	eventually(t, "the activation is under way", func() bool { return strings.TrimSpace(l.read(t, "busy")) != "" })
	command, err := strconv.Atoi(strings.TrimSpace(l.read(t, "busy")))
	must(t, err)
	must(t, first.Process.Kill())
	first.Wait()
	must(t, syscall.Kill(command, 0)) // it runs on
	l.run(t, "rotate", "--domain", "example.test", "--compromised", "--selector", "s2").want(t, 0,
		"took over from a process that ended in the middle of its work", "programs that it had started: ")
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command)); err == nil &&
		!strings.Contains(string(text), ") Z ") {
		t.Errorf("the command runs still: %s", text)
	}
	l.file(t, "go", "")
	if !strings.HasPrefix(l.read(t, "signs"), "s1 ") {
		t.Errorf("the host signs with %s, the key that was reported", l.read(t, "signs"))
	}
	l.run(t, "history", "--domain", "example.test").want(t, 0, "in the middle of activate s2._domainkey.example.test",
		"programs that it had started: ", "ended", "is looked at every minute until")
	l.run(t, "plan", "--domain", "example.test", "--detailed-exitcode").want(t, 0, "phase ready")
}

// TestInterruptedQuestion: a signer's command that does not answer ends with the program that was told
// to end, whatever the program had asked it for.
func TestInterruptedQuestion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"plan"}, {"check"}, {"rotate", "--due"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test")
			l.file(t, "hangs", "#!/bin/sh\necho $$ >"+l.Dir+"/pid\nexec sleep 1000\n")
			must(t, os.Chmod(filepath.Join(l.Dir, "hangs"), 0o700))
			l.Signer = "driver: exec\ncommand: [" + l.Dir + "/hangs]\ntimeout: 10m"
			l.write(t)
			cmd := l.command(args...)
			must(t, cmd.Start())
			eventually(t, "the command is asked", func() bool { return strings.TrimSpace(l.read(t, "pid")) != "" })
			pid, err := strconv.Atoi(strings.TrimSpace(l.read(t, "pid")))
			must(t, err)
			must(t, cmd.Process.Signal(syscall.SIGINT))
			cmd.Wait()
			eventually(t, "the command has ended", func() bool { return syscall.Kill(pid, 0) != nil })
		})
	}
}
