package signertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// SSHD is a real OpenSSH server on loopback that lets one key in, for one forced command.
type SSHD struct {
	Dir        string // the server's and the client's files
	Port       int
	User       string // who may log in: the one that runs the test
	Identity   string // path of the private key of the login
	KnownHosts string // path; it has the server's key
	Authorized string // path of authorized_keys
	Conf       string // path of sshd_config

	cmd   *exec.Cmd
	ended <-chan struct{}
}

// StartSSHD starts a server and stops it after the test. Logging in runs the program forced, with its arguments as a
// shell takes them.
func StartSSHD(t testing.TB, forced string) *SSHD {
	t.Helper()
	dir := SafeDir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	me, err := user.Current()
	must(t, err)
	d := &SSHD{Dir: dir, Port: nameservertest.FreePort(t), User: me.Username, Identity: at("login"),
		KnownHosts: at("known_hosts"), Authorized: at("authorized_keys"), Conf: at("sshd_config")}
	NewSSHKey(t, d.Identity)
	d.Force(t, forced)
	d.NewHostKey(t)
	d.TrustHostKey(t)
	must(t, os.WriteFile(d.Conf, fmt.Appendf(nil, `Port %d
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin forced-commands-only
MaxStartups 100
LogLevel VERBOSE
`, d.Port, at("host_key"), d.Authorized), 0o600))
	if os.Geteuid() == 0 {
		must(t, os.MkdirAll("/run/sshd", 0o755))
	}
	d.Start(t)
	t.Cleanup(func() { d.Stop() })
	return d
}

// NewSSHKey makes a key pair at path and path.pub.
func NewSSHKey(t testing.TB, path string) {
	t.Helper()
	os.Remove(path)
	os.Remove(path + ".pub")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s; on Debian: apt-get install openssh-client", err, out)
	}
}

// Force lets the key in for another command.
func (d *SSHD) Force(t testing.TB, command string) {
	t.Helper()
	pub, err := os.ReadFile(d.Identity + ".pub")
	must(t, err)
	must(t, os.WriteFile(d.Authorized, fmt.Appendf(nil, "restrict,command=%q %s", command, pub), 0o600))
}

// NewHostKey gives the server another host key, which counts from the next start.
func (d *SSHD) NewHostKey(t testing.TB) {
	t.Helper()
	NewSSHKey(t, filepath.Join(d.Dir, "host_key"))
}

// TrustHostKey writes the server's host key into known_hosts, and no other one.
func (d *SSHD) TrustHostKey(t testing.TB) {
	t.Helper()
	pub, err := os.ReadFile(filepath.Join(d.Dir, "host_key.pub"))
	must(t, err)
	must(t, os.WriteFile(d.KnownHosts, fmt.Appendf(nil, "[127.0.0.1]:%d %s", d.Port, pub), 0o600))
}

// Start starts the server, which must not be running, and waits until it answers.
func (d *SSHD) Start(t testing.TB) {
	t.Helper()
	const program = "/usr/sbin/sshd"
	d.cmd = exec.Command(program, "-D", "-e", "-f", d.Conf)
	log, err := os.OpenFile(filepath.Join(d.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer log.Close()
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("%v; on Debian: apt-get install openssh-server", err)
	}
	ended := make(chan struct{})
	d.ended = ended
	go func(cmd *exec.Cmd) { cmd.Wait(); close(ended) }(d.cmd)
	deadline := time.After(time.Minute)
	for {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port)))
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("sshd ended at once: %s", d.Said())
		case <-deadline:
			t.Fatalf("sshd does not answer at port %d", d.Port)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the server, if it runs. Connections that it has live on.
func (d *SSHD) Stop() {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Kill()
	<-d.ended
	d.cmd = nil
}

// Said returns the server's log.
func (d *SSHD) Said() string {
	text, _ := os.ReadFile(filepath.Join(d.Dir, "log"))
	return string(text)
}

// Logins returns how many logins the server has taken.
func (d *SSHD) Logins() int { return strings.Count(d.Said(), "Accepted publickey") }
