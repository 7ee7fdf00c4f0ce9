package child

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func sh(script string) Program {
	return Program{Argv: []string{"sh", "-c", script}, Timeout: time.Minute}
}

func TestRun(t *testing.T) {
	p := sh(`cat; echo "$GIVEN" >&2`)
	p.Stdin, p.Env = []byte("in"), []string{"GIVEN=value"}
	res, err := Run(t.Context(), p)
	if err != nil || string(res.Stdout) != "in" || string(res.Stderr) != "value\n" {
		t.Errorf("%q, %q, %v", res.Stdout, res.Stderr, err)
	}
	var exit *exec.ExitError
	if _, err := Run(t.Context(), sh("exit 3")); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("exit 3: %v", err)
	}
	if _, err := Run(t.Context(), Program{Argv: []string{"/nonexistent"}, Timeout: time.Second}); err == nil {
		t.Error("a program that is not there: no error")
	}
	p = sh("exit 0") // it need not read its input
	p.Stdin = make([]byte, 1<<20)
	if _, err := Run(t.Context(), p); err != nil {
		t.Errorf("input that is not read: %v", err)
	}
}

// timedOut runs a program until its time-out, and returns the process that it wrote into the
// file. On a busy machine it gets more time, until it comes so far.
func timedOut(t *testing.T, p Program, file string) (pid string) {
	t.Helper()
	for p.Timeout = time.Second; ; p.Timeout *= 2 {
		if _, err := Run(t.Context(), p); !errors.Is(err, ErrTimeout) {
			t.Fatalf("error is %v; want ErrTimeout", err)
		}
		text, _ := os.ReadFile(file)
		if pid = strings.TrimSpace(string(text)); pid != "" {
			return pid
		}
		if p.Timeout > time.Minute {
			t.Fatal("the program did not come so far")
		}
	}
}

// TestTimeout: the whole process group dies, not the shell alone.
func TestTimeout(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	start := time.Now()
	pid := timedOut(t, sh("sleep 1000 & echo $! >"+pidFile+"; wait"), pidFile)
	if took := time.Since(start); took > 5*time.Minute {
		t.Errorf("it took %v", took)
	}
	for deadline := time.Now().Add(time.Minute); exec.Command("kill", "-0",
		pid).Run() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("grandchild %s lives", pid)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := Run(ctx, sh("sleep 1000")); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v; want Canceled", err)
	}
}

// TestGrandchildHoldsPipe: a daemon left behind does not block the run.
func TestGrandchildHoldsPipe(t *testing.T) {
	start := time.Now()
	res, err := Run(t.Context(), sh("sleep 50 & echo done"))
	if err != nil || string(res.Stdout) != "done\n" || time.Since(start) > 40*time.Second {
		t.Errorf("%q, %v after %v", res.Stdout, err, time.Since(start))
	}
}

func TestOutputIsBounded(t *testing.T) {
	res, err := Run(t.Context(), sh("head -c 17000000 /dev/zero"))
	if !errors.Is(err, ErrTooLong) || len(res.Stdout) != MaxOutput {
		t.Errorf("%d octets, %v", len(res.Stdout), err)
	}
	res, err = Run(t.Context(), sh("head -c 1000000 /dev/zero >&2; echo end >&2"))
	if err != nil || len(res.Stderr) != maxTail || !strings.HasSuffix(string(res.Stderr), "end\n") {
		t.Errorf("%d octets, %v", len(res.Stderr), err)
	}
	if got := Tail([]byte(strings.Repeat("ä", 1000) + " end \n")); len(got) > 510 || !strings.HasSuffix(got, "end") ||
		!strings.HasPrefix(got, "…") {
		t.Errorf("Tail: %q", got)
	}
	if got := Tail([]byte("key has changed.\r\nfailed.\r\n\x1b[2J\r")); got != "key has changed.\nfailed.\n?[2J" {
		t.Errorf("Tail of lines as ssh ends them: %q", got)
	}
}

// TestEnvironment guards I9.
func TestEnvironment(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "secret")
	res, err := Run(t.Context(), sh("env"))
	if err != nil || strings.Contains(string(res.Stdout), "secret") {
		t.Errorf("%s, %v", res.Stdout, err)
	}
	got := Environment(func(name string) string {
		return map[string]string{"PATH": "/bin", "LANG": "C", "VAULT_TOKEN": "x"}[name]
	})
	if want := []string{"PATH=/bin", "LANG=C"}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}
