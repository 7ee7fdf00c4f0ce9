package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// postfix is a real Postfix of its own that takes mail at Addr, has it signed
// by a milter, and hands everything to the next server.
type postfix struct {
	Addr string
	log  string
}

const mainCf = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/maillog
maillog_file_prefixes = %[1]s
multi_instance_enable = no

myhostname = mx1.example.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps =
alias_maps =
alias_database =
fast_flush_domains =
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject

# As OpenDKIM's documentation has it, but mail waits when the milter does not answer.
smtpd_milters = %[2]s
milter_default_action = tempfail
milter_protocol = 6

disable_dns_lookups = yes
smtp_tls_security_level = none
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
relayhost = %[3]s
`

const masterCf = `%[1]s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// startPostfix starts a Postfix; milter is the signer's socket as Postfix writes
// it, next the address of the server that all mail is relayed to. More lines may say otherwise of some mail.
func startPostfix(t testing.TB, milter, next string, more ...string) *postfix {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("Postfix runs as root only: run this test as root")
	}
	if _, err := exec.LookPath("postfix"); err != nil {
		t.Fatalf("postfix is not installed; on Debian: apt-get install postfix (%v)", err)
	}
	dir := signertest.SafeDir(t) // Postfix's own user must get at its queue
	p := &postfix{
		Addr: fmt.Sprintf("127.0.0.1:%d", nameservertest.FreePort(t)),
		log:  filepath.Join(dir, "maillog"),
	}
	host, port, err := net.SplitHostPort(next)
	must(t, err)
	conf := filepath.Join(dir, "etc")
	must(t, os.Mkdir(conf, 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "queue"), 0o755))
	must(t, os.WriteFile(filepath.Join(conf, "main.cf"), fmt.Appendf(nil, mainCf, dir, milter,
		"["+host+"]:"+port+"\n"+
			strings.Join(more, "\n")+"\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(conf, "master.cf"), fmt.Appendf(nil, masterCf, p.Addr), 0o644))
	// This makes the queue's directories and sees to their owners.
	if out, err := exec.Command("postfix", "-c", conf, "check").CombinedOutput(); err != nil {
		t.Fatalf("postfix check: %v\n%s", err, out)
	}
	p.start(t, conf)
	return p
}

func (p *postfix) start(t testing.TB, conf string) {
	t.Helper()
	libexec, err := exec.Command("postconf", "-c", conf, "-h", "daemon_directory").Output()
	must(t, err)
	cmd := exec.Command(filepath.Join(strings.TrimSpace(string(libexec)), "master"), "-c", conf, "-s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // no stray if the test is killed
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // takes the services along
		<-ended
		if t.Failed() {
			t.Logf("Postfix's log, without what went well:\n%s", p.troubles())
		}
	})
	deadline := time.After(2 * time.Minute)
	for {
		if c, err := net.Dial("tcp", p.Addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("Postfix ended at once:\n%s", p.troubles())
		case <-deadline:
			t.Fatalf("Postfix does not answer at %s:\n%s", p.Addr, p.troubles())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// logged returns how many lines of the log hold the text. That the file system's clock,
// which is coarser than the machine's, seems ahead by a second, is no trouble with mail.
func (p *postfix) logged(text string) int {
	log, _ := os.ReadFile(p.log)
	n := 0
	for line := range strings.Lines(string(log)) {
		clock := strings.Contains(line, "warning: file system clock") ||
			strings.Contains(line, "warning: resetting file time stamps")
		if !clock && strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// troubles returns the lines of the log that are not about mail that went its way.
func (p *postfix) troubles() string {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for line := range strings.Lines(string(log)) {
		usual := strings.Contains(line, "status=sent") || strings.Contains(line, ": removed") ||
			strings.Contains(line, "message-id=") ||
			strings.Contains(line, "connect from") || strings.Contains(line, "queue active") ||
			strings.Contains(line, ": client=")
		if !usual {
			b.WriteString(line)
		}
	}
	return tail(b.String(), 6000)
}

// tail returns the last octets of a text.
func tail(s string, most int) string {
	if len(s) > most {
		return "...\n" + s[len(s)-most:]
	}
	return s
}
