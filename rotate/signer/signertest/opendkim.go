package signertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// OpenDKIM is a real daemon on loopback with empty tables and "RequireSafeKeys
// yes". As root it runs as the user opendkim, as Debian's does.
type OpenDKIM struct {
	Dir          string // safe for keys, removed after the test
	KeyDir       string // the daemon's own, mode 0700
	KeyTable     string // path; the daemon reads it as file:
	SigningTable string // path; the daemon reads it as refile:
	Conf         string // path of opendkim.conf
	Socket       string // as Postfix and opendkim.Config write it: inet:127.0.0.1:PORT
	PID          int

	asked
	cmd   *exec.Cmd
	ended <-chan struct{}
}

// StartOpenDKIM starts a daemon and stops it after the test. extra are lines
// added to opendkim.conf.
func StartOpenDKIM(t testing.TB, extra ...string) *OpenDKIM {
	t.Helper()
	if _, err := exec.LookPath("opendkim"); err != nil {
		t.Fatalf("opendkim is not installed; on Debian: apt-get install opendkim (%v)", err)
	}
	d := &OpenDKIM{Dir: SafeDir(t), asked: freeAddress(t)}
	d.KeyDir = filepath.Join(d.Dir, "keys")
	d.KeyTable = filepath.Join(d.Dir, "key.table")
	d.SigningTable = filepath.Join(d.Dir, "signing.table")
	d.Conf = filepath.Join(d.Dir, "opendkim.conf")
	d.Socket = "inet:" + d.address
	must(t, os.Mkdir(d.KeyDir, 0o700))
	must(t, os.WriteFile(d.KeyTable, nil, 0o644))
	must(t, os.WriteFile(d.SigningTable, nil, 0o644))
	host, port, _ := net.SplitHostPort(d.address)
	conf := []string{
		"Syslog yes", "LogWhy yes", "Background no", "Mode s", "Canonicalization relaxed/simple",
		"Socket inet:" + port + "@" + host, "KeyTable file:" + d.KeyTable, "SigningTable refile:" + d.SigningTable,
		"RequireSafeKeys yes", "InternalHosts 127.0.0.1",
	}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("opendkim")
		must(t, err)
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		must(t, os.Chown(d.KeyDir, uid, gid))
		conf = append(conf, "UserID opendkim")
	}
	must(t, os.WriteFile(d.Conf, []byte(strings.Join(append(conf, extra...), "\n")+"\n"), 0o644))
	d.Start(t)
	t.Cleanup(func() { d.Stop(t) })
	return d
}

func freeAddress(t testing.TB) asked {
	return asked{net.JoinHostPort("127.0.0.1", strconv.Itoa(nameservertest.FreePort(t)))}
}

// Reload is the argv that makes the daemon read its tables again.
func (d *OpenDKIM) Reload() []string { return []string{"kill", "-USR1", strconv.Itoa(d.PID)} }

// Start starts the daemon, which must not be running, and waits until it answers.
func (d *OpenDKIM) Start(t testing.TB) {
	t.Helper()
	d.cmd = exec.Command("opendkim", "-f", "-x", d.Conf)
	said := new(strings.Builder)
	d.cmd.Stderr = said
	must(t, d.cmd.Start())
	d.PID = d.cmd.Process.Pid
	ended := make(chan struct{})
	d.ended = ended
	go func(cmd *exec.Cmd) { cmd.Wait(); close(ended) }(d.cmd)
	deadline := time.After(time.Minute)
	for {
		if c, err := net.Dial("tcp", d.address); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("opendkim ended at once: %s", said)
		case <-deadline:
			t.Fatalf("opendkim does not answer at %s", d.address)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the daemon, if it runs.
func (d *OpenDKIM) Stop(t testing.TB) {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Kill()
	<-d.ended
	d.cmd = nil
}

// Restart is a reboot: what is on disk is all there is.
func (d *OpenDKIM) Restart(t testing.TB) {
	t.Helper()
	d.Stop(t)
	d.Start(t)
}

// SafeDir returns a new directory above which nobody else can write, as
// RequireSafeKeys asks for; t.TempDir lies below /tmp and is none. It is
// removed after the test.
func SafeDir(t testing.TB) string {
	t.Helper()
	base := "/run"
	if os.Geteuid() != 0 {
		home, err := os.UserHomeDir()
		must(t, err)
		base = filepath.Join(home, ".cache")
		must(t, os.MkdirAll(base, 0o700))
	}
	dir, err := os.MkdirTemp(base, "dkimbot-test-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Signature is a DKIM-Signature field that the daemon would add.
type Signature struct {
	Domain, Selector string
	Value            string // folded with CRLF
	Message          string // the signed message with the field on top
}

// Answer is what the daemon does with a message.
type Answer struct {
	Signatures []Signature
	Refused    bool   // it deferred or rejected the message
	Sealed     string // the message with its ARC set on top; "" for none
}

// Selectors returns the selectors that sign for the domain.
func (a Answer) Selectors(domain string) []string {
	var s []string
	for _, sig := range a.Signatures {
		if sig.Domain == domain {
			s = append(s, sig.Selector)
		}
	}
	slices.Sort(s)
	return s
}

func (a Answer) String() string {
	if a.Refused {
		return "mail turned away"
	}
	var b strings.Builder
	for _, s := range a.Signatures {
		fmt.Fprintf(&b, "d=%s s=%s ", s.Domain, s.Selector)
	}
	return strings.TrimSpace(b.String())
}
