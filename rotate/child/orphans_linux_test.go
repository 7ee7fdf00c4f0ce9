package child

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain runs one program when the variable names a script: the process that is killed in TestOrphans.
func TestMain(m *testing.M) {
	if script := os.Getenv("DKIMBOT_TEST_SCRIPT"); script != "" {
		p := sh(script)
		p.KeepsDaemons, p.Timeout = os.Getenv("DKIMBOT_TEST_RELOAD") != "", time.Hour
		Run(context.Background(), p)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// orphaned starts a program by a process that is killed when the program has written
// its pid into the file; it returns that process and the program.
func orphaned(t *testing.T, script string, reload bool) (parent int, start string, pid int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DKIMBOT_TEST_SCRIPT="+strings.ReplaceAll(script, "PID", file))
	if reload {
		cmd.Env = append(cmd.Env, "DKIMBOT_TEST_RELOAD=1")
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); pid == 0; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			t.Fatal("the program did not come so far")
		}
	}
	parent = cmd.Process.Pid
	_, start, _ = status(parent)
	cmd.Process.Kill()
	cmd.Wait()
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	return parent, start, pid
}

func alive(pid int) bool {
	_, _, ok := status(pid)
	return ok
}

// TestOrphans: a program that a killed process had started does nothing any more when another one
// takes over (I8). Programs of other processes go on.
func TestOrphans(t *testing.T) {
	for name, script := range map[string]string{
		"itself":        "echo $$ >PID; exec sleep 1000",
		"below it":      "sh -c 'echo $$ >PID; exec sleep 1000' & wait",
		"without mark":  "env -i PATH=$PATH sh -c 'echo $$ >PID; exec sleep 1000'; true",
		"in a pipe":     "sh -c 'echo $$ >PID; exec sleep 1000' | cat",
		"nohup, closed": "nohup sh -c 'echo $$ >PID; exec sleep 1000 <&- >&- 2>&-'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent, start, pid := orphaned(t, script, false)
			if o := EndOrphans(t.Context(), parent, start+"1", silent); o != (Orphans{}) || !alive(pid) {
				t.Errorf("%+v of a process that started at another time", o)
			}
			if o := EndOrphans(t.Context(), parent, start, silent); o.Ended == 0 || o.Left != 0 || alive(pid) {
				t.Errorf("%+v; the program lives: %v", o, alive(pid))
			}
		})
	}
}

// TestOrphansLeaveDaemons: the daemon that a signer's command started again goes on signing mail (I1),
// whether the command runs still or ended long ago, and whatever it made of its group and session.
func TestOrphansLeaveDaemons(t *testing.T) {
	for name, script := range map[string]string{
		"of a command that runs": "setsid -f sh -c 'echo $$ >PID; exec sleep 1000'; sleep 1000",
		"of one that ended":      "setsid -f sh -c 'echo $$ >PID; exec sleep 1000'",
		"forked twice":           "setsid sh -c '(sh -c \"echo \\$\\$ >PID; exec sleep 1000\" &)'; sleep 1000",
		"its worker": "setsid -f bash -c 'set -m; sh -c \"echo \\$\\$ >PID; exec sleep 1000\" & wait'; " +
			"sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent, start, pid := orphaned(t, script, false)
			if o := EndOrphans(t.Context(), parent, start, silent); o.Left != 0 || !alive(pid) {
				t.Errorf("%+v; the daemon lives: %v", o, alive(pid))
			}
		})
	}
}

// TestOrphanedReload: a reload is waited for, since the daemon that it has started again can't be found out
// from it; the daemon itself is neither ended nor waited for (I1).
func TestOrphanedReload(t *testing.T) {
	parent, start, pid := orphaned(t, "echo $$ >PID; sleep 0.5", true)
	if o := EndOrphans(t.Context(), parent, start, silent); o.Awaited > 1 || o.Ended+o.Left != 0 || alive(pid) {
		t.Errorf("%+v; the reload runs: %v", o, alive(pid))
	}
	parent, start, pid = orphaned(t, "setsid -f sh -c 'echo $$ >PID; exec sleep 1000'; sleep 0.5", true)
	if o := EndOrphans(t.Context(), parent, start, silent); o.Ended+o.Left != 0 || !alive(pid) {
		t.Errorf("%+v; the daemon lives: %v", o, alive(pid))
	}
	parent, start, pid = orphaned(t, "echo $$ >PID; sleep 1000", true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	reloads := 0
	told := func(n int, _ time.Duration) { reloads = n }
	if o := EndOrphans(ctx, parent, start, told); o != (Orphans{Hanging: 1}) || reloads != 1 || !alive(pid) {
		t.Errorf("%+v of a reload that does not end; %d were waited for; it runs: %v", o, reloads, alive(pid))
	}
}

// TestEndOwn: what this process has started and nobody waits for any more ends with it; a reload goes
// on, and so does what others have started.
func TestEndOwn(t *testing.T) {
	dir := t.TempDir()
	started := func(name string) (pid int) {
		for deadline := time.Now().Add(time.Minute); pid == 0; time.Sleep(10 * time.Millisecond) {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			if time.Now().After(deadline) {
				t.Fatal(name + " did not come so far")
			}
		}
		t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
		return pid
	}
	ended := make(chan error, 2)
	for _, name := range []string{"question", "reload"} {
		p := sh("echo $$ >" + filepath.Join(dir, name) + "; exec sleep 1000")
		p.KeepsDaemons, p.Timeout = name == "reload", time.Hour
		go func() {
			_, err := Run(context.Background(), p)
			ended <- err
		}()
	}
	question, reload := started("question"), started("reload")
	// A command that has ended left a milter in the background, in the same session.
	left := sh("nohup sh -c 'echo $$ >" + filepath.Join(dir, "milter") + "; exec sleep 1000' >/dev/null 2>&1 &")
	left.Timeout = time.Minute
	if _, err := Run(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	milter := started("milter")
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { other.Process.Kill(); other.Wait() }()
	EndOwn()
	if err := <-ended; err == nil {
		t.Error("the question was answered")
	}
	if alive(question) || !alive(reload) || !alive(other.Process.Pid) || !alive(milter) {
		t.Errorf("the question runs: %v, the reload: %v, another: %v, the milter: %v", alive(question), alive(reload),
			alive(other.Process.Pid), alive(milter))
	}
}

func silent(int, time.Duration) {}
