package notify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestMail: what happens in half a minute is one letter, which says in words what
// happened and what to do, and is marked as made by a program (RFC 3834).
func TestMail(t *testing.T) {
	s := startMail(t, func(s *mailServer) { s.startTLS = true })
	log, said := newLog()
	n := New(Config{Mail: s.mail("offered"), By: "root@mail1", Log: log})
	n.Failed(failedAt, trouble)
	n.Failed(failedAt, trouble) // reported already
	finishRotation(n)
	n.Close()
	got := s.letters()
	if len(got) != 1 || !s.inTLS || !strings.HasPrefix(got[0].from, "FROM:<dkimbot@example.com>") ||
		fmt.Sprint(got[0].to) != "[TO:<ops@example.com> TO:<boss@example.com>]" {
		t.Fatalf("got %+v, encrypted %t\n%s", got, s.inTLS, said)
	}
	m, err := mail.ReadMessage(strings.NewReader(got[0].data))
	must(t, err)
	for name, want := range map[string]string{"From": "dkimbot@example.com", "To": "ops@example.com, boss@example.com",
		"Subject":        "dkimbot: example.com: 1 failed, 1 rotated",
		"Auto-Submitted": "auto-generated", "Mime-Version": "1.0", "Content-Type": "text/plain; charset=utf-8"} {
		if m.Header.Get(name) != want {
			t.Errorf("%s: %s, want %s", name, m.Header.Get(name), want)
		}
	}
	if at, err := m.Header.Date(); err != nil || time.Since(at) > time.Minute ||
		!strings.HasSuffix(m.Header.Get("Message-Id"), "@example.com>") {
		t.Errorf("date %v, %v; Message-ID %s", at, err, m.Header.Get("Message-Id"))
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	must(t, err)
	want := `example.com: failed activate s2
  when    Sun 2026-03-01 03:00:00 UTC
  signer  mx1
  what    ` + trouble.Error() + `
  do      look at the signer's log
  by      root@mail1

example.com: rotated: s1 has its fresh key and waits for the next rotation; s2 signs
`
	if !strings.HasPrefix(string(text), want) {
		t.Errorf("the letter says\n%s\nwant\n%s", text, want)
	}
}

// TestMailTLS: when a letter is encrypted, when a password is sent, and to whom not.
func TestMailTLS(t *testing.T) {
	for title, c := range map[string]struct {
		server    func(*mailServer)
		tls       string
		user      string
		foreign   bool // the server can't prove itself
		want      string
		encrypted bool
		logins    int
	}{
		"never":                  {server: func(s *mailServer) { s.startTLS = true }, tls: "never"},
		"offered, and not there": {tls: "offered", server: func(*mailServer) {}},
		"offered, and unproved": {server: func(s *mailServer) { s.startTLS = true }, tls: "offered", foreign: true,
			encrypted: true},
		"required": {server: func(s *mailServer) { s.startTLS = true }, tls: "required", encrypted: true},
		"required, and not there": {server: func(*mailServer) {},
			tls: "required", want: "the server offers no TLS, and notify.mail.tls requires it"},
		"required, and unproved": {server: func(s *mailServer) { s.startTLS = true }, tls: "required", foreign: true,
			want: "tls: failed to verify certificate: x509: "},
		"implicit": {server: func(s *mailServer) { s.implicit = true }, tls: "implicit", encrypted: true},
		"implicit, and unproved": {server: func(s *mailServer) { s.implicit = true }, tls: "implicit", foreign: true,
			want: "tls: failed to verify certificate: x509: "},
		"password": {server: func(s *mailServer) { s.startTLS, s.auth = true, "dkimbot hunter2" },
			tls: "required", user: "dkimbot", encrypted: true, logins: 1},
		"password, implicit": {server: func(s *mailServer) { s.implicit, s.auth = true, "dkimbot hunter2" },
			tls: "implicit", user: "dkimbot", encrypted: true, logins: 1},
		"password, wrong": {server: func(s *mailServer) { s.startTLS, s.auth = true, "dkimbot hunter3" },
			tls: "required", user: "dkimbot", encrypted: true, logins: 1, want: "the server refuses the login (535)"},
		"password, none taken": {server: func(s *mailServer) { s.startTLS = true },
			tls: "required", user: "dkimbot", want: "the server takes no password (AUTH PLAIN)"},
		"password, in plain": {server: func(s *mailServer) { s.auth = "dkimbot hunter2" },
			tls: "never", user: "dkimbot", want: "the password is not sent: the server has not proved itself by TLS"},
		"password, TLS is stripped": {server: func(s *mailServer) { s.auth = "dkimbot hunter2" },
			tls: "required", user: "dkimbot", want: "the server offers no TLS, and notify.mail.tls requires it"},
		"password, server unproved": {server: func(s *mailServer) { s.startTLS, s.auth = true, "dkimbot hunter2" },
			tls: "offered", user: "dkimbot", foreign: true,
			want: "the password is not sent: the server has not proved itself by TLS"},
	} {
		t.Run(title, func(t *testing.T) {
			s := startMail(t, c.server)
			m := s.mail(c.tls)
			m.Username = c.user
			if c.foreign {
				m.CAFile = startMail(t, func(*mailServer) {}).caFile
			}
			log, _ := newLog()
			d := &delivery{Mail: m, log: log, letter: letter(m.From, m.To, []Document{noticeOf("x", "", "")}, then), left: m.To}
			err := d.attempt(t.Context())
			if c.want == "" && (err != nil || len(s.letters()) != 1) || c.want != "" &&
				(err == nil || !strings.Contains(err.Error(), c.want) || len(s.letters()) != 0) {
				t.Errorf("got %v, want %q; %d letters", err, c.want, len(s.letters()))
			}
			if s.logins != c.logins || (len(s.letters())+s.logins > 0) && s.inTLS != c.encrypted {
				t.Errorf("%d logins, encrypted %t", s.logins, s.inTLS)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("I9: %v", err)
			}
		})
	}
}

// TestMailRefused: each receiver is tried again until the server takes it, or says
// that it never will; nobody gets a letter twice.
func TestMailRefused(t *testing.T) {
	const later, never = "451 4.7.1 come again", "550 5.1.1 nobody of that name"
	ops, boss := "RCPT TO:<ops@example.com>", "RCPT TO:<boss@example.com>"
	for title, c := range map[string]struct {
		refuse  map[string][]string
		letters string // receivers of each
		said    string
	}{
		"one comes again": {map[string][]string{boss: {later}}, "ops, boss", ""},
		"one is unknown": {map[string][]string{boss: {never}},
			"ops", "could not be mailed to everybody\" error=\"boss@example.com is refused: 550 5.1.1 nobody of that name"},
		"both come again": {map[string][]string{ops: {later}, boss: {later}}, "ops+boss", ""},
		"one of each":     {map[string][]string{ops: {later}, boss: {never}}, "ops", ""},
		"both unknown":    {map[string][]string{ops: {never}, boss: {never}}, "", "could not be delivered"},
		"sender later":    {map[string][]string{"MAIL": {later}}, "ops+boss", ""},
		"sender never":    {map[string][]string{"MAIL": {"550 go away"}}, "", "refuses the letter: 550 go away"},
		"letter later":    {map[string][]string{"DATA": {"452 disk full"}}, "ops+boss", ""},
		"letter never":    {map[string][]string{"DATA": {"554 spam"}}, "", "refuses the letter: 554 spam"},
		"greeting later":  {map[string][]string{"EHLO": {"421 busy"}, "HELO": {"421 busy"}}, "ops+boss", ""},
		"quit is refused": {map[string][]string{"QUIT": {"500 stay"}}, "ops+boss", ""},
	} {
		t.Run(title, func(t *testing.T) {
			s := startMail(t, func(s *mailServer) { s.refuse = c.refuse })
			log, said := newLog()
			n := New(Config{Mail: s.mail("never"), Log: log})
			n.Failed(failedAt, trouble)
			n.Close()
			var got, ids []string
			for _, l := range s.letters() {
				for _, cut := range []string{"TO:<", "@example.com>", "[", "]"} {
					l.to = strings.Split(strings.ReplaceAll(strings.Join(l.to, " "), cut, ""), " ")
				}
				got = append(got, strings.Join(l.to, "+"))
				m, err := mail.ReadMessage(strings.NewReader(l.data))
				must(t, err)
				ids = append(ids, m.Header.Get("Message-Id"))
			}
			if strings.Join(got, ", ") != c.letters || !strings.Contains(said.String(), c.said) || len(ids) == 2 &&
				ids[0] != ids[1] {
				t.Errorf("letters %q with %q, want %q; the log says\n%s", got, ids, c.letters, said)
			}
		})
	}
}

// TestMailServerRepeats guards I9: a server that has got the password repeats it later, in words or in the
// form in which it came. And whatever it says is one line, and not a long one.
func TestMailServerRepeats(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00dkimbot\x00hunter2"))
	said := "550-you said Hunter2, " + plain + "\r\n550-" + strings.Repeat("x", 100_000) + "\r\n550 # done"
	s := startMail(t, func(s *mailServer) {
		s.implicit, s.auth = true, "dkimbot hunter2"
		s.refuse = map[string][]string{"MAIL": {said}}
	})
	m := s.mail("implicit")
	m.Username = "dkimbot"
	err := (&delivery{Mail: m, left: m.To}).attempt(t.Context())
	if err == nil || !strings.Contains(err.Error(), "refuses the letter: 550 you said [secret], [secret] xxx") {
		t.Fatalf("got %.300v", err)
	}
	if text := err.Error(); len(text) > 1000 || strings.Contains(text, "\n") {
		t.Errorf("%d octets: %.300q", len(text), text)
	}
}

// TestMailHangs: a server that says nothing is left after the time-out.
func TestMailHangs(t *testing.T) {
	s := startMail(t, func(s *mailServer) { s.hang = true })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	m := s.mail("never")
	err := (&delivery{Mail: m, left: m.To}).attempt(ctx)
	var lasting *backoff.PermanentError
	if err == nil || !strings.HasSuffix(err.Error(), "no answer in time") || errors.As(err, &lasting) {
		t.Errorf("got %v", err)
	}
	for title, change := range map[string]func(*Mail){
		"no such file":         func(m *Mail) { m.CAFile = "/nonexistent" },
		"holds no certificate": func(m *Mail) { m.CAFile = "/etc/passwd" },
		"is a device":          func(m *Mail) { m.CAFile = "/dev/zero" },
		"connection refused":   func(m *Mail) { m.Server = "127.0.0.1:1" },
	} {
		m := s.mail("required")
		change(m)
		if err := (&delivery{Mail: m, left: m.To}).attempt(t.Context()); err == nil || !strings.Contains(err.Error(), title) {
			t.Errorf("got %v, want %s", err, title)
		}
	}
}

// TestNoHeaderInjection: whatever is reported, it stays in its header field.
func TestNoHeaderInjection(t *testing.T) {
	for _, evil := range []string{"a\r\nBcc: all@example.com", "a\n\nbody", "a\rBcc: x", "b\u2028Bcc: x",
		"käse\r\n\r\n.\r\nMAIL FROM:<x>", strings.Repeat("ä", 5000), "\x00\x1b[31m"} {
		d := ofEvent(failedAt, fault.Temporary(evil, nil, evil))
		d.Domain, d.Message, d.Step, d.By = evil, evil, evil, evil
		m, err := mail.ReadMessage(strings.NewReader(string(letter("dkimbot@example.com", []string{"ops@example.com"},
			[]Document{d}, then))))
		if err != nil {
			t.Fatalf("%q: %v", evil, err)
		}
		if len(m.Header) != 9 || m.Header.Get("Bcc") != "" {
			t.Errorf("%q leads to the header %v", evil, m.Header)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || strings.ContainsAny(subject, "\r\n\x00") || len([]rune(subject)) > 151 {
			t.Errorf("%q: subject %q, %v", evil, subject, err)
		}
		body, err := io.ReadAll(m.Body)
		if err != nil || strings.Contains(strings.ReplaceAll(string(body), "\r\n", ""), "\n") ||
			strings.Contains(string(body), "\n.\r\n") {
			t.Errorf("%q: body %q, %v", evil, body, err)
		}
		for line := range strings.Lines(string(body)) {
			if len(line) > 78 {
				t.Errorf("%q: a line of %d octets", evil, len(line))
			}
		}
	}
}

// TestManyInOneLetter: a failure of a thousand domains is one letter that can be read.
func TestManyInOneLetter(t *testing.T) {
	var docs []Document
	for i := range 1000 {
		d := ofEvent(failedAt, trouble)
		d.Domain = fmt.Sprintf("d%d.example", i)
		docs = append(docs, d)
	}
	if got, want := subject(docs), "dkimbot: 1000 domains: 1000 failed"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	text := body(docs)
	if strings.Count(text, "  what ") != inFull ||
		!strings.Contains(text, "And 950 more:\n\nd50.example: failed activate s2\n") ||
		!strings.Contains(text, "d999.example") {
		t.Errorf("the letter says\n%.3000s", text)
	}
}
