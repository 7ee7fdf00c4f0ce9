package signertest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Exim is a real Exim whose transport looks selector and key up in an empty table. Each message is a process of its
// own, as root; Exim gives that up for its user. What it sends comes back to the test.
type Exim struct {
	Dir    string // safe for keys, removed after the test
	KeyDir string // of Exim's user
	Table  string
	Conf   string

	sink *sink
}

const eximConf = `
exim_path = %[1]s
spool_directory = %[2]s/spool
log_file_path = %[2]s/spool/%%slog
primary_hostname = mail.example.org
keep_environment =
trusted_users = root
tls_advertise_hosts =
bounce_return_body = false
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = signed
begin transports
signed:
  driver = smtp
  port = %[3]d
  allow_localhost
  hosts_avoid_tls = *
%[4]s
begin retry
* * F,1s,1s
`

// eximSigning are the lines of Exim's transport that examples/exim has; %[1]s is the table.
const eximSigning = `dkim_domain = ${lc:${domain:$h_from:}}
dkim_selector = ${extract{selector}{${lookup{$dkim_domain}lsearch{%[1]s}}}}
dkim_private_key = ${extract{privkey}{${lookup{$dkim_domain}lsearch{%[1]s}}}}
dkim_strict = true`

// EximSigning returns the lines by which a transport of Exim signs from the table.
func EximSigning(table string) string { return fmt.Sprintf(eximSigning, table) }

// StartExim sets Exim up; it needs root, as Exim does.
func StartExim(t testing.TB) *Exim {
	t.Helper()
	path, err := exec.LookPath("exim4")
	if err != nil {
		t.Fatalf("exim4 is not installed; .ci/servers does it (%v)", err)
	}
	u, err := user.Lookup("Debian-exim")
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	e := &Exim{Dir: SafeDir(t), sink: newSink(t)}
	e.KeyDir, e.Table, e.Conf = filepath.Join(e.Dir, "dkim"), filepath.Join(e.Dir, "dkim.table"),
		filepath.Join(e.Dir, "exim.conf")
	for _, dir := range []string{e.KeyDir, filepath.Join(e.Dir, "spool")} {
		must(t, os.Mkdir(dir, 0o750))
		must(t, os.Chown(dir, uid, gid))
	}
	must(t, os.WriteFile(e.Table, nil, 0o644))
	must(t, os.WriteFile(e.Conf, fmt.Appendf(nil, eximConf, path, e.Dir, e.sink.port, EximSigning(e.Table)), 0o644))
	return e
}

// Mail sends a message from someone at the domain through Exim and returns what comes out.
func (e *Exim) Mail(t testing.TB, domain string) Answer {
	t.Helper()
	to := e.sink.expect()
	cmd := exec.Command("exim4", "-C", e.Conf, "-odi", "-oi", "-f", "someone@"+domain, to)
	cmd.Stdin = strings.NewReader("From: someone@" + domain + "\nTo: " + to + "\nSubject: test\nDate: " +
		time.Now().Format(time.RFC1123Z) + "\nMessage-ID: <" + to + ">\n\nHello.\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("exim4: %v: %s", err, out)
	}
	message, ok := e.sink.take(to) // exim4 has handed it over when it ends
	if !ok {
		return Answer{Refused: true}
	}
	return Answer{Signatures: Signatures(message)}
}

// Log returns what Exim has logged.
func (e *Exim) Log() string {
	var all strings.Builder
	for _, name := range []string{"mainlog", "paniclog"} {
		text, _ := os.ReadFile(filepath.Join(e.Dir, "spool", name))
		all.Write(text)
	}
	return all.String()
}

// SignsWith returns which of the keys signs mail of the domain, so that it verifies; the zero Ref when mail goes out
// unsigned. Anything else fails the test.
func (e *Exim) SignsWith(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref {
	t.Helper()
	a := e.Mail(t, domain)
	if a.Refused {
		t.Fatalf("%s: mail was not sent: %s", domain, e.Log())
	}
	return a.signedWith(t, domain, keys...)
}

// Signatures returns the DKIM-Signature fields of a message.
func Signatures(message string) []Signature {
	header, _, _ := strings.Cut(message, "\r\n\r\n")
	var found []Signature
	field := ""
	add := func() {
		name, value, _ := strings.Cut(field, ":")
		if strings.EqualFold(name, "DKIM-Signature") {
			s := Signature{Value: strings.TrimSpace(value), Message: field + "\r\n" + withoutSignatures(message)}
			for tag := range strings.SplitSeq(s.Value, ";") {
				switch name, value, _ := strings.Cut(strings.TrimSpace(tag), "="); name {
				case "d":
					s.Domain = strings.TrimSpace(value)
				case "s":
					s.Selector = strings.TrimSpace(value)
				}
			}
			found = append(found, s)
		}
		field = ""
	}
	for line := range strings.SplitSeq(header, "\r\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') {
			field += "\r\n" + line
			continue
		}
		add()
		field = line
	}
	add()
	return found
}

// withoutSignatures takes the DKIM-Signature fields out of a message.
func withoutSignatures(message string) string {
	header, body, _ := strings.Cut(message, "\r\n\r\n")
	var kept []string
	in := false
	for line := range strings.SplitSeq(header, "\r\n") {
		if line == "" || line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(line, ":")
			in = strings.EqualFold(name, "DKIM-Signature")
		}
		if !in {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\r\n") + "\r\n\r\n" + body
}

// sink is a mail server that keeps what it gets, by recipient.
type sink struct {
	port int

	mu   sync.Mutex
	n    int
	mail map[string]string
}

func newSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	s := &sink{port: l.Addr().(*net.TCPAddr).Port, mail: map[string]string{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

// expect returns a recipient that no other message has.
func (s *sink) expect() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return fmt.Sprintf("r%d@example.net", s.n)
}

func (s *sink) take(to string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.mail[to]
	delete(s.mail, to)
	return m, ok
}

func (s *sink) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	r := bufio.NewReader(c)
	say := func(line string) { c.Write([]byte(line + "\r\n")) }
	say("220 sink")
	to := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.TrimSpace(line)); {
		case strings.HasPrefix(verb, "RCPT TO:<"):
			to, _, _ = strings.Cut(strings.TrimSpace(line)[len("RCPT TO:<"):], ">")
			say("250 ok")
		case verb == "DATA":
			say("354 go ahead")
			message, ok := data(r)
			if !ok {
				return
			}
			s.mu.Lock()
			s.mail[to] = message
			s.mu.Unlock()
			say("250 ok")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// data reads a message to the final dot.
func data(r *bufio.Reader) (string, bool) {
	var message strings.Builder
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return "", false
		case line == ".\r\n":
			return message.String(), true
		}
		message.WriteString(strings.TrimPrefix(line, "."))
	}
}

// Expand has Exim expand a string.
func (e *Exim) Expand(t testing.TB, text string) string {
	t.Helper()
	out, err := exec.Command("exim4", "-C", e.Conf, "-be", text).Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}
