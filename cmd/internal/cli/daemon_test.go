package cli_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
)

// daemon is a dkimbot daemon that runs, and what it tells systemd.
type daemon struct {
	lab   *lab
	cmd   *exec.Cmd
	ended chan struct{}

	mu   sync.Mutex
	told []string
}

// daemon starts the daemon and waits until it says that it is ready.
func (l *lab) daemon(t *testing.T) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // a socket's path must be short
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	log, err := os.Create(filepath.Join(l.Dir, "daemon.log"))
	must(t, err)
	defer log.Close()

	d := &daemon{lab: l, cmd: l.command("daemon", "--log-format", "json"), ended: make(chan struct{})}
	d.cmd.Env = append(d.cmd.Env, "NOTIFY_SOCKET="+filepath.Join(dir, "s"))
	d.cmd.Stdout, d.cmd.Stderr = log, log
	must(t, d.cmd.Start())
	go d.listen(socket)
	go func() { d.cmd.Wait(); close(d.ended) }()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.ended
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.log(t))
		}
	})
	d.awaitNotified(t, "READY=1", 1)
	return d
}

func (d *daemon) listen(socket *net.UnixConn) {
	buf := make([]byte, 4096)
	for {
		n, err := socket.Read(buf)
		if err != nil {
			return
		}
		d.mu.Lock()
		d.told = append(d.told, string(buf[:n]))
		d.mu.Unlock()
	}
}

// messages returns what systemd was told, all of it in one text.
func (d *daemon) messages() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.told, "\n--\n")
}

func (d *daemon) awaitNotified(t *testing.T, text string, times int) {
	t.Helper()
	eventually(t, fmt.Sprintf("systemd is told %s %d times", text, times),
		func() bool { return strings.Count(d.messages(), text) >= times })
}

func (d *daemon) log(t *testing.T) string { return d.lab.read(t, "daemon.log") }

func (d *daemon) awaitLog(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the log says "+text, func() bool { return strings.Contains(d.log(t), text) })
}

func (d *daemon) awaitPhase(t *testing.T, domain, phase string) {
	t.Helper()
	eventually(t, domain+" is "+phase, func() bool { return d.lab.status(t, domain).Phase == phase })
}

// stop sends a signal and wants a clean end, soon.
func (d *daemon) stop(t *testing.T, sig syscall.Signal, within time.Duration) {
	t.Helper()
	must(t, d.cmd.Process.Signal(sig))
	select {
	case <-d.ended:
	case <-time.After(within):
		t.Fatalf("the daemon still runs %s after %s", within, sig)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the daemon ended with %d after %s", code, sig)
	}
	d.awaitNotified(t, "STOPPING=1", 1)
}

// The daemon puts a new domain to use, answers for its zone meanwhile, and ends when it is told to.
func TestDaemon(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test")
			d := l.daemon(t)
			d.awaitPhase(t, "example.test", "ready")
			if got := ns.Query(t, l.DNS, "s1._domainkey.example.test", "TXT"); len(got) != 1 ||
				got[0] != l.status(t, "example.test").Selectors["s1"].Record {
				t.Errorf("the daemon answers %q", got)
			}
			// Others work beside it, and look at its answers instead of giving their own.
			l.run(t, "plan").want(t, 0, "phase ready")
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s2: signer mx1 signs with it now", "phase ready")
			d.stop(t, sig, soon)
			l.wantSound(t, "example.test")
			for _, line := range []string{`"msg":"ready"`, `"msg":"step done","domain":"example.test","step":"activate"`,
				`"msg":"stopped"`} {
				if !strings.Contains(d.log(t), line) {
					t.Errorf("the log does not say %s", line)
				}
			}
		})
	}
}

// A directory of keys that can't be opened keeps no daemon from starting: what needs no private
// key is done meanwhile, such as a revocation, and the rest as soon as it can be opened, without
// a new start (I1, I2). A configuration that is wrong is refused all the same.
func TestDaemonWithoutKeystore(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test", "new.test")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	must(t, os.Chmod(filepath.Join(l.Dir, "keys"), 0o777))
	l.run(t, "rotate", "--domain", "example.test", "--compromised", "--selector", "s2").want(t, 1, "done s2: key",
		"was revoked in DNS", "0777")
	d := l.daemon(t)
	d.awaitLog(t, "the keystore can't be opened; steps that need a private key wait until it can")
	eventually(t, "the new domain fails", func() bool { return l.status(t, "new.test").Failures > 0 })
	must(t, os.Chmod(filepath.Join(l.Dir, "keys"), 0o700))
	deadline := time.Now().Add(2*time.Minute + soon) // the next tries
	for l.status(t, "example.test").Phase != "ready" || l.status(t, "new.test").Phase != "ready" {
		if time.Now().After(deadline) {
			t.Fatal("minutes have passed and the keystore is not used again")
		}
		time.Sleep(200 * time.Millisecond)
	}
	d.stop(t, syscall.SIGTERM, soon)
	l.wantSound(t, "example.test")
	l.wantSound(t, "new.test")
	l.file(t, "dkimbot.yaml", "domains: []\nkeystore: {driver: vault, address: nowhere}\n")
	l.run(t, "daemon").want(t, 1, "keystore.address")
}

// The schedule makes a rotation, also after a bad configuration was refused.
func TestDaemonKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.Policy += "\nschedule: \"* * * * *\"" // the shortest that cron knows
	l.write(t)
	d := l.daemon(t)
	d.awaitPhase(t, "example.test", "ready")
	first := *l.status(t, "example.test").Active
	good := l.read(t, "dkimbot.yaml")
	l.file(t, "dkimbot.yaml", "domains: []\nnosuch: 1\n")
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.awaitLog(t, "the new configuration is refused; the old one stays in use")
	l.file(t, "dkimbot.yaml", good) // for the commands below; the daemon is not told
	deadline := time.Now().Add(time.Minute + soon)
	for *l.status(t, "example.test").Active == first {
		if time.Now().After(deadline) {
			t.Fatal("minutes have passed and nothing was rotated")
		}
		time.Sleep(200 * time.Millisecond)
	}
	d.awaitPhase(t, "example.test", "ready")
	d.stop(t, syscall.SIGTERM, soon)
	l.wantSound(t, "example.test")
}

var reloading = regexp.MustCompile(`(?m)^RELOADING=1\nMONOTONIC_USEC=[0-9]+$`)

// A bad configuration is refused, a good one is taken up, and systemd is told of both.
func TestDaemonReload(t *testing.T) {
	t.Parallel()
	l := newLab(t, "one.test", "two.test")
	l.Domains = []string{"one.test"}
	l.write(t)
	d := l.daemon(t)
	d.awaitPhase(t, "one.test", "ready")

	good := l.read(t, "dkimbot.yaml")
	l.file(t, "dkimbot.yaml", good+"nosuch: 1\n")
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.awaitLog(t, "the new configuration is refused; the old one stays in use")
	d.awaitLog(t, `unknown key \"nosuch\"`)
	d.awaitNotified(t, "READY=1", 2)
	if m := d.messages(); !reloading.MatchString(m) ||
		!strings.Contains(m, "STATUS=the new configuration was refused; the old one stays in use") {
		t.Errorf("systemd was told %q", m)
	}

	// The old one still answers.
	if got := ns.Query(t, l.DNS, "s1._domainkey.one.test", "TXT"); len(got) != 1 {
		t.Errorf("the daemon answers %q", got)
	}

	// Broken in a way that only shows when its parts are made: the same.
	l.file(t, "not-a-directory", "")
	l.file(t, "dkimbot.yaml", strings.Replace(good, "path: keys", "path: not-a-directory", 1))
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.awaitNotified(t, "READY=1", 3)
	d.awaitLog(t, "not-a-directory")

	l.Domains = []string{"one.test", "two.test"}
	l.write(t)
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.awaitLog(t, `"msg":"configuration reloaded","domains":2`)
	d.awaitPhase(t, "two.test", "ready")
	d.awaitNotified(t, "READY=1", 4)
	if n := len(reloading.FindAllString(d.messages(), -1)); n != 3 {
		t.Errorf("systemd was told %d times of reloads, want 3", n)
	}
	d.stop(t, syscall.SIGTERM, soon)
	l.wantSound(t, "one.test")
	l.wantSound(t, "two.test")
}

// SIGTERM in the middle of a reload that hangs: the daemon ends when the step
// has, nothing is lost, and a later run finishes (I7).
func TestDaemonStopsDuringReload(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.Signer = strings.Replace(l.Signer, `["true"]`, "[sh, -c, \"echo >> hangs; sleep 600\"]\nreload_timeout: 2s", 1)
	l.Signer = strings.Replace(l.Signer, "hangs", filepath.Join(l.Dir, "hangs"), 1)
	l.write(t)
	d := l.daemon(t)
	eventually(t, "the reload hangs", func() bool { return l.read(t, "hangs") != "" })
	d.stop(t, syscall.SIGTERM, soon)
	st := l.status(t, "example.test")
	if st.Phase != "bootstrapping" || st.Failures != 1 || st.LastError == nil ||
		!strings.Contains(*st.LastError, "timed out") {
		t.Errorf("after the end: %+v", st)
	}
	l.Signer = strings.Replace(l.Signer, "sleep 600", "true", 1)
	l.write(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s1: signer mx1 signs with it now")
	if got := l.wantSound(t, "example.test"); got.Selectors["s1"].KeyID != st.Selectors["s1"].KeyID {
		t.Error("the key was made again")
	}
}

// SIGTERM while a record is waited for: the daemon ends at once.
func TestDaemonStopsDuringVerify(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	stale := ns.Serve(t, ns.Zone{Name: "example.test", Minimum: time.Second})
	liar := ns.StartLiar(t, ownIP(), 0, stale)
	l.Verify = fmt.Sprintf("nameservers: [%q]\ntimeout: 10m", liar.Addr)
	l.write(t)
	d := l.daemon(t)
	d.awaitLog(t, `"step":"publish"`)
	d.stop(t, syscall.SIGTERM, soon)
	st := l.status(t, "example.test")
	if st.Phase != "bootstrapping" || st.Failures != 0 {
		t.Errorf("after the end: %+v", st)
	}
	l.Verify = fmt.Sprintf("nameservers: [%q]\ntimeout: 30s", l.DNS)
	l.write(t)
	l.run(t, "rotate", "--due").want(t, 0, "phase ready")
	if got := l.wantSound(t, "example.test"); got.Selectors["s1"].KeyID != st.Selectors["s1"].KeyID {
		t.Error("the key was made again")
	}
}

// I8: while one process works on a domain, a second one is told who does, and
// the work of the first continues.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test", "other.test")
	l.Signer = strings.Replace(l.Signer, `["true"]`,
		fmt.Sprintf("[sh, -c, \"echo >> %[1]s/busy; while [ ! -e %[1]s/go ]; do sleep 0.05; "+
			"done\"]\nreload_timeout: 10m", l.Dir), 1)
	l.write(t)
	first := l.command("rotate", "--domain", "example.test")
	must(t, first.Start())
	eventually(t, "the first process reloads", func() bool { return l.read(t, "busy") != "" })
	l.run(t, "rotate", "--domain", "example.test").want(t, 3, "refused: work on example.test",
		fmt.Sprintf("is being worked on by root@%s pid %d", hostname(t), first.Process.Pid),
		"hint: wait for the other process")
	r := l.run(t, "rotate", "--domain", "example.test", "--json").want(t, 3, `"code": "lease-held"`)
	if warnings := l.run(t, "validate").want(t, 0).stderr; r.stderr != warnings {
		t.Errorf("on standard error, besides the configuration's warnings: %s", r.stderr)
	}
	l.run(t, "plan", "--domain", "example.test").want(t, 0) // reading disturbs nobody
	l.file(t, "go", "")
	must(t, first.Wait())
	l.wantSound(t, "example.test")
}

// A process that was killed holds up nobody: its lease is taken over at once.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.Signer = strings.Replace(l.Signer, `["true"]`,
		fmt.Sprintf("[sh, -c, \"echo >> %[1]s/busy; while [ ! -e %[1]s/go ]; do sleep 0.05; "+
			"done\"]\nreload_timeout: 10m", l.Dir), 1)
	l.write(t)
	first := l.command("rotate", "--domain", "example.test")
	must(t, first.Start())
	eventually(t, "the process reloads", func() bool { return l.read(t, "busy") != "" })
	must(t, first.Process.Kill())
	first.Wait()
	l.file(t, "go", "")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	l.wantSound(t, "example.test")
}

func hostname(t testing.TB) string {
	t.Helper()
	name, err := os.Hostname()
	must(t, err)
	return name
}
