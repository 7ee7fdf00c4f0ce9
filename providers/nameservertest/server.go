package nameservertest

import (
	"crypto/rand"
	"encoding/base64"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Options say how a server is started. The zero Options listen on 127.0.0.1, on
// a free port, and let the key change and transfer everything.
type Options struct {
	IPs  []string // loopback addresses to listen on
	Port int      // see FreePort
	// Narrow lets the key change TXT records below _domainkey only, and not
	// transfer the zone: the least that rotating keys needs.
	Narrow bool
}

// Server is a name server that runs until its test ends. Its fields don't change.
type Server struct {
	Addr  string   // the first address, host:port
	Addrs []string // all addresses, host:port
	Port  int

	KeyName      string // of the TSIG key, with its final dot
	KeyAlgorithm string // "hmac-sha256"
	KeySecret    string // base64
	Dir          string // configuration, zones, log

	zones   []Zone
	planter string // secret of a second key, which may change everything
	argv    []string
	process *exec.Cmd
	exited  chan struct{}
}

const (
	keyName     = "dkimbot."
	planterName = "planter."
	algorithm   = "hmac-sha256"
)

// StartBIND starts BIND 9 with Options' zero value.
func StartBIND(t testing.TB, zones ...Zone) *Server {
	t.Helper()
	return Options{}.StartBIND(t, zones...)
}

// StartKnot starts Knot DNS with Options' zero value.
func StartKnot(t testing.TB, zones ...Zone) *Server {
	t.Helper()
	return Options{}.StartKnot(t, zones...)
}

// newServer prepares what both programs need: addresses, keys and zone files.
func (o Options) newServer(t testing.TB, zones []Zone) *Server {
	t.Helper()
	if len(o.IPs) == 0 {
		o.IPs = []string{"127.0.0.1"}
	}
	if o.Port == 0 {
		o.Port = FreePort(t, o.IPs...)
	}
	// Not t.TempDir: its path may be too long for a control socket.
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{
		Port: o.Port, KeyName: keyName, KeyAlgorithm: algorithm, KeySecret: secret(),
		Dir: dir, zones: zones, planter: secret(),
	}
	for _, ip := range o.IPs {
		s.Addrs = append(s.Addrs, net.JoinHostPort(ip, strconv.Itoa(o.Port)))
	}
	s.Addr = s.Addrs[0]
	for _, z := range zones {
		if z.File == "" {
			s.write(t, zoneFile(z), z.text(o.IPs))
		}
	}
	return s
}

func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

func zoneFile(z Zone) string {
	if z.File != "" {
		return z.File
	}
	return z.origin() + "zone"
}

func (s *Server) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run starts the program for the first time and ties it to the test.
func (s *Server) run(t testing.TB, argv ...string) {
	t.Helper()
	s.argv = argv
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("log of %s at %s:\n%s", filepath.Base(argv[0]), s.Addr, ending(s.Log()))
		}
	})
	s.Start(t)
}

// Start starts the server again after Stop, with the zones as they were, and
// waits until it answers for all of them at every address.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // no server is left if the test is killed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	s.process, s.exited = cmd, exited
	go func() { cmd.Wait(); close(exited) }()
	s.awaitReady(t)
}

// Stop kills the server, as a crash would. Stopping twice is harmless.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	s.process.Process.Kill()
	<-s.exited
	s.process = nil
}

// PID returns the server's process number: SIGHUP makes it read its zones again.
func (s *Server) PID() int { return s.process.Process.Pid }

// Log returns what the server has logged.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// ending returns the last lines of a log, without what keys make long in them.
func ending(log string) string {
	const most, width = 30, 160
	lines := strings.Split(strings.TrimSpace(log), "\n")
	lines = lines[max(0, len(lines)-most):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), width)]
	}
	return strings.Join(lines, "\n")
}

func (s *Server) awaitReady(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for _, addr := range s.Addrs {
		for _, z := range s.zones {
			for !serves(addr, z.origin()) {
				select {
				case <-s.exited:
					t.Fatalf("%s ended before it was ready:\n%s", s.argv[0], s.Log())
				case <-time.After(20 * time.Millisecond):
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s does not serve %s at %s:\n%s", s.argv[0], z.Name, addr, s.Log())
				}
			}
		}
	}
}

func serves(addr, zone string) bool {
	c := dns.Client{Net: "tcp", Timeout: time.Second}
	r, _, err := c.Exchange(new(dns.Msg).SetQuestion(zone, dns.TypeSOA), addr)
	return err == nil && r.Rcode == dns.RcodeSuccess && r.Authoritative && len(r.Answer) > 0
}

// program finds a server's binary, also where only root's path leads.
func program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	if p, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return p
	}
	t.Fatalf("%s is missing; on Debian: apt-get install %s", name, debianPackage)
	return ""
}
