package opendkim

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// behindVariable tells this binary, under the name opendkim, that it is one whose SIGHUP reloads: it passes the
// signal on to a real daemon as SIGUSR1.
const behindVariable = "DKIMBOT_TEST_BEHIND"

// playOpenDKIM is what this binary does under the name opendkim: it lives on after SIGHUP, as builds of 2026 do.
func playOpenDKIM() {
	hup, other := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(other, syscall.SIGUSR1)
	go func() { <-other; os.Exit(1) }()
	for i, arg := range os.Args {
		if arg == "-x" {
			text, _ := os.ReadFile(os.Args[i+1])
			_, socket, _ := strings.Cut(string(text), "Socket local:")
			l, err := net.Listen("unix", strings.TrimSpace(socket))
			if err != nil {
				os.Exit(1)
			}
			go func() {
				for {
					if c, err := l.Accept(); err == nil {
						c.Close()
					}
				}
			}()
		}
	}
	os.Stdout.WriteString("ready\n")
	for range hup {
		if pid, err := strconv.Atoi(os.Getenv(behindVariable)); err == nil {
			syscall.Kill(pid, syscall.SIGUSR1)
		}
	}
}

// bySignal writes a pid file, and has the signal in place of a command.
func bySignal(t testing.TB, d *signertest.OpenDKIM, name string, pid any) func(*Config) {
	file := filepath.Join(d.Dir, "opendkim.pid")
	text, ok := pid.(string)
	if !ok {
		text = strconv.Itoa(pid.(int)) + "\n"
	}
	write(t, file, text)
	return func(c *Config) { c.Reload, c.ReloadSignal, c.PIDFile = nil, name, file }
}

func lives(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("process %d: %v", pid, err)
	}
}

// TestReloadSignal: with SIGUSR1 and no command the real daemon switches, and lives on; also without the proof.
func TestReloadSignal(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	s := newSigner(t, d, bySignal(t, d, "usr1", d.PID))
	for i, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1]),
		signertest.At("a.example", "s1", k[0])} {
		if i == 2 {
			s.socket.Address = ""
		}
		activate(t, s, key)
		if got := d.SignsWith(t, "a.example", k...); got != key.Ref() {
			t.Fatalf("signed with %+v; want %+v", got, key.Ref())
		}
	}
	lives(t, d.PID)
}

// TestHangUpIsTried guards I1: Debian's OpenDKIM ends at SIGHUP. That is refused before anything is changed, by
// Screen, Activate and the preflight, and the daemon lives on.
func TestHangUpIsTried(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, bySignal(t, d, "hup", d.PID))
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	_, screened := s.Screen(t.Context(), []dkim.SigningKey{key})
	signertest.WantCode(t, screened, "unsafe-signal", "SIGHUP ends", "usr1")
	began := time.Now()
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "unsafe-signal")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the program was tried again; %v", took)
	}
	if err := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(nil)}},
		preflight.Usual)); err == nil {
		t.Error("the preflight finds nothing")
	}
	if files, _ := os.ReadDir(d.KeyDir); len(files) > 0 || read(t, d.SigningTable) != "" {
		t.Error("something was written")
	}
	lives(t, d.PID)
}

// TestHangUpReloads: an OpenDKIM that reads its tables again at SIGHUP gets it.
func TestHangUpReloads(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	front := startFront(t, filepath.Join(d.Dir, "opendkim"), d.PID)
	s := newSigner(t, d, bySignal(t, d, "hup", front))
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])} {
		activate(t, s, key)
		if got := d.SignsWith(t, "a.example", k...); got != key.Ref() {
			t.Fatalf("signed with %+v; want %+v", got, key.Ref())
		}
	}
	lives(t, front)
}

// startFront starts a copy of this binary at a path, and waits until it is ready.
func startFront(t testing.TB, path string, behind int) (pid int) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	program, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(program, self)
	if err := errors.Join(err, program.Close()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), behindVariable+"="+strconv.Itoa(behind))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// TestPIDFile guards what isn't OpenDKIM: its user writes the pid file, and root's dkimbot sends no signal to whatever
// process it names.
func TestPIDFile(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	sleep := exec.Command("sleep", "600")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sleep.Process.Kill(); sleep.Wait() })
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(d.Dir, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	forged := startFront(t, filepath.Join(open, "opendkim"), 0)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		pid  any
		word string
	}{
		"another program":      {sleep.Process.Pid, "it is no opendkim"},
		"anybody's program":    {forged, "open"},
		"a process of before":  {gone.Process.Pid, "finished"},
		"no number":            {"-1\n", "no number of a process"},
		"all processes":        {"0", "no number of a process"},
		"the first process":    {"1", "no number of a process"},
		"a file that is large": {strings.Repeat("7", 100), "opendkim.pid"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSigner(t, d, bySignal(t, d, "usr1", tc.pid))
			_, screened := s.Screen(t.Context(), []dkim.SigningKey{key})
			signertest.WantCode(t, screened, "", tc.word, "pid_file")
			signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", tc.word)
		})
	}
	lives(t, sleep.Process.Pid)
	lives(t, forged)
	secret := filepath.Join(d.Dir, "secret")
	write(t, secret, "token-of-root\n")
	linked := newSigner(t, d, bySignal(t, d, "usr1", "1"))
	pidFile := filepath.Join(d.Dir, "opendkim.pid")
	if err := errors.Join(os.Remove(pidFile), os.Symlink(secret, pidFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := linked.Screen(t.Context(), []dkim.SigningKey{key}); err == nil || strings.Contains(err.Error(), "token") {
		t.Errorf("what the pid file leads to is shown (I9): %v", err)
	}
	s := newSigner(t, d, func(c *Config) { c.Reload, c.ReloadSignal, c.PIDFile = nil, "usr1", "/nonexistent/pid" })
	_, err := s.Screen(t.Context(), []dkim.SigningKey{key})
	signertest.WantCode(t, err, "", "/nonexistent/pid")
}

// TestDaemonEnds: a daemon that ends at the signal is reported at once.
func TestDaemonEnds(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	front := startFront(t, filepath.Join(d.Dir, "opendkim"), 0) // SIGUSR1 ends it
	s := newSigner(t, d, bySignal(t, d, "usr1", front))
	err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])})
	signertest.WantCode(t, err, "", "has ended", "start the daemon")
}
