package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestProved: mail that is signed as it should be proves it, for many domains at once, over a listener and a Maildir.
func TestProved(t *testing.T) {
	for _, way := range []string{"listener", "maildir"} {
		t.Run(way, func(t *testing.T) {
			p, m, k := listening(t)
			if way == "maildir" {
				dir := t.TempDir()
				m.deliver = into(t, dir)
				if err := m.deliver("a@b", "", []byte("Subject: it lies there already\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
				p.Config.Receive = Receive{Maildir: dir}
				defer func() {
					if left, _ := os.ReadDir(filepath.Join(dir, "new")); len(left) != 1 {
						t.Errorf("%d messages lie in the mailbox; want the one of somebody else", len(left))
					}
				}()
			}
			var keys []dkim.SigningKey
			for i := range 30 {
				keys = append(keys, k.key(fmt.Sprintf("d%d.example", i), "s1"))
			}
			if failed := p.Prove(t.Context(), keys, nil); len(failed) > 0 {
				t.Error(failed)
			}
			signed, failed := p.Signed(t.Context(), []string{"d1.example"})
			if want := keys[1].Ref(); len(signed["d1.example"]) != 1 || signed["d1.example"][0].KeyID != want.KeyID {
				t.Errorf("%v, %v; want %v", signed, failed, want)
			}
		})
	}
}

// TestLies guards I1 and I2: mail that shows something else is no proof, and what was seen is said.
func TestLies(t *testing.T) {
	p, m, k := listening(t)
	other, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name, value string) func(string, []byte) []byte {
		return func(d string, message []byte) []byte {
			return append([]byte(name+": "+value+"\r\n"), k.with("s1")(d, message)...)
		}
	}
	for name, lie := range map[string]struct {
		sign func(domain string, message []byte) []byte
		says string
	}{
		"old":   {k.with("s2"), "signed with selector s2 (rsa-sha256)"},
		"none":  {k.with(), "no signature of the domain"},
		"two":   {k.with("s1", "s2"), "2 signatures of the domain: s2 (rsa-sha256), s1 (rsa-sha256)"},
		"twice": {k.with("s1", "s1"), "2 signatures of the domain"},
		"unlisted": {func(d string, b []byte) []byte { return k.with("s1")("other.example", b) },
			"it is signed by other.example"},
		"body": {func(d string, b []byte) []byte {
			return append(k.with("s1")(d, b), "A footer of the list.\r\n"...)
		}, "does not verify: body hash did not verify"},
		"subject": {func(d string, b []byte) []byte {
			return bytes.Replace(k.with("s1")(d, b), []byte("Subject: "), []byte("Subject: [spam] "), 1)
		}, "does not verify: signature did not verify"},
		"malformed": {add("DKIM-Signature", "v=1; a=rsa-sha256; d=a.example; s=\x01\x02"), "2 signatures of the domain"},
		"expired": {func(d string, b []byte) []byte {
			return k.signed(d, "s1", b, time.Now().Add(-time.Hour))
		}, "signature has expired"},
		"flood": {func(d string, b []byte) []byte {
			return append(bytes.Repeat([]byte("DKIM-Signature: v=1; d=x.example\r\n"), 30), k.with("s1")(d, b)...)
		}, "it carries 31 signatures"},
	} {
		t.Run(name, func(t *testing.T) {
			m.signs(lie.sign)
			r := p.Send(t.Context(), []string{"a.example"}, nil)[0]
			err := p.Judge(r, "s1")
			if faulttest.Shown(t, err); err == nil || !strings.Contains(err.Error(), lie.says) {
				t.Fatalf("%v; want it to hold %q", err, lie.says)
			}
			if fault.CodeOf(err) != codes.MailDiffers || strings.ContainsAny(err.Error(), "\x01\x02") {
				t.Errorf("%q has code %s", err, fault.CodeOf(err))
			}
		})
	}
	t.Run("a selector that is no name", func(t *testing.T) {
		m.signs(func(d string, b []byte) []byte {
			return bytes.Replace(k.with("s1")(d, b), []byte("s=s1;"), []byte("s=s1\x1b[31m;"), 1)
		})
		err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "")
		if faulttest.Shown(t, err); err == nil || strings.Contains(err.Error(), "another domain") ||
			!strings.Contains(err.Error(), "its selector is not a name of letters, digits and hyphens") {
			t.Error(err)
		}
	})
	t.Run("a record that shows another key", func(t *testing.T) {
		m.signs(k.with("s1"))
		k.all["s1"] = other
		k.shows("s1", dkim.NewRecord(other.Public(), "").String(), nil)
		p.Config.Timeout = 5 * time.Second
		wanted := dkim.SigningKey{Name: dkim.Name{Domain: "a.example", Selector: "s1"}, Key: k.all["s2"]}
		err := p.Prove(t.Context(), []dkim.SigningKey{wanted}, nil)["a.example"]
		if faulttest.Shown(t, err); fault.CodeOf(err) != codes.MailDiffers || !strings.Contains(err.Error(), "another key") {
			t.Error(err)
		}
	})
}

// TestBecomes: a signer that needs some time gets it, and one that has missed a reload is reloaded once more.
func TestBecomes(t *testing.T) {
	p, m, k := listening(t)
	m.signs(func(d string, b []byte) []byte {
		if m.count() < 3 {
			return k.with("s2")(d, b)
		}
		return k.with("s1")(d, b)
	})
	if failed := p.Prove(t.Context(), []dkim.SigningKey{k.key("a.example", "s1")}, nil); len(failed) > 0 {
		t.Error(failed)
	}
	if m.count() != 3 {
		t.Errorf("%d messages", m.count())
	}
	m.signs(k.with("s2"))
	reloads := 0
	again := func(context.Context) { reloads++; m.signs(k.with("s1")) }
	failed := p.Prove(t.Context(), []dkim.SigningKey{k.key("a.example", "s1")}, again)
	if len(failed) > 0 || reloads != 1 {
		t.Errorf("a signer that was not reloaded: %v, %d reloads", failed, reloads)
	}
}

// TestWayFails: what keeps a message from being seen says nothing of the signer, and is told apart.
func TestWayFails(t *testing.T) {
	try := func(t *testing.T, p *Prober, says string) {
		t.Helper()
		p.Config.Timeout = time.Second
		err := p.Prove(t.Context(), []dkim.SigningKey{{Name: dkim.Name{Domain: "a.example", Selector: "s1"}}}, nil)["a.example"]
		if faulttest.Shown(t, err); err == nil || fault.CodeOf(err) != codes.ProbeFailed ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%v (%s); want it to hold %q", err, fault.CodeOf(err), says)
		}
	}
	t.Run("never arrives", func(t *testing.T) {
		p, m, _ := listening(t)
		m.signs(func(string, []byte) []byte { return nil })
		try(t, p, "did not arrive within 1s")
	})
	t.Run("comes back", func(t *testing.T) {
		p, m, _ := listening(t)
		m.signs(func(_ string, b []byte) []byte {
			return append([]byte("From: MAILER-DAEMON\r\nSubject: Undelivered Mail\r\n\r\nThis failed:\r\n\r\n"), b...)
		})
		try(t, p, `a message about it did, with the subject "Undelivered Mail"`)
	})
	t.Run("refused", func(t *testing.T) {
		p, m, _ := listening(t)
		m.deliver = func(string, string, []byte) error {
			return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not from here\x1b[31m"}
		}
		try(t, p, "did not take it: SMTP error 554: not from here [31m")
	})
	t.Run("no mail server", func(t *testing.T) {
		p, _, _ := listening(t)
		p.Config.Submit = "smtp://" + p.Config.Receive.Listen // nothing listens there but the probe itself
		p.Config.Receive.Listen = "127.0.0.1:0"
		try(t, p, "did not take it")
	})
	t.Run("a silent mail server", func(t *testing.T) {
		p, _, _ := listening(t)
		on, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer on.Close()
		dialed := make(chan bool, 100)
		go func() {
			for {
				conn, err := on.Accept()
				if err != nil {
					return
				}
				dialed <- true
				conn.Close()
			}
		}()
		p.Config.Submit, p.Config.Timeout = "smtp://"+on.Addr().String(), time.Second
		for _, r := range p.Send(t.Context(), make([]string, 100), nil) {
			if fault.CodeOf(r.Err) != codes.ProbeFailed {
				t.Error(r.Err)
			}
		}
		if n := len(dialed); n > 2*connections {
			t.Errorf("it was tried %d times for 100 domains", n)
		}
	})
	t.Run("port is taken", func(t *testing.T) {
		p, _, _ := listening(t)
		on, err := net.Listen("tcp", p.Config.Receive.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer on.Close()
		try(t, p, "address already in use")
	})
	t.Run("no Maildir", func(t *testing.T) {
		p, _, _ := listening(t)
		p.Config.Receive = Receive{Maildir: filepath.Join(t.TempDir(), "none")}
		try(t, p, "no such file")
	})
	t.Run("DNS is down", func(t *testing.T) {
		p, _, k := listening(t)
		k.shows("s1", "", errors.New("no server answers"))
		try(t, p, "can't be verified: no server answers")
	})
	t.Run("interrupted", func(t *testing.T) {
		p, m, _ := listening(t)
		m.signs(func(string, []byte) []byte { return nil })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		r := p.Send(ctx, []string{"a.example"}, nil)[0]
		if faulttest.Shown(t, r.Err); fault.CodeOf(r.Err) != codes.ProbeFailed {
			t.Error(r.Err)
		}
	})
}

// TestLate: a message that arrives when it is not waited for any more is taken, so that queues become empty, and proves
// nothing for the next one.
func TestLate(t *testing.T) {
	p, m, k := listening(t)
	var kept []byte
	m.signs(func(d string, b []byte) []byte { kept = k.with("s2")(d, b); return nil })
	p.Config.Timeout = 300 * time.Millisecond
	if r := p.Send(t.Context(), []string{"a.example"}, nil)[0]; r.Err == nil {
		t.Fatal("it arrived")
	}
	m.signs(func(d string, b []byte) []byte {
		if err := m.deliver("x@a.example", p.Config.to(), kept); err != nil {
			t.Error(err)
		}
		return k.with("s1")(d, b)
	})
	p.Config.Timeout = time.Minute
	if err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "s1"); err != nil {
		t.Error(err)
	}
}

// TestOthers: messages with the same subject, without a token or with a wrong one, and an old signed message
// under a new token, prove nothing.
func TestOthers(t *testing.T) {
	p, m, k := listening(t)
	m.signs(func(d string, b []byte) []byte {
		token, _ := tokenOf(b)
		for _, forged := range [][]byte{
			[]byte("From: x@a.example\r\nSubject: dkimbot probe of a.example\r\n\r\nhello\r\n"),
			bytes.ReplaceAll(b, []byte(token), []byte("AAAAAAAAAAAAAAAAAAAAAAAAAA")),
			[]byte(tokenField + ": " + token + "\r\nSubject: the token is not in the body\r\n\r\nhello\r\n"),
			[]byte("Subject: quoted\r\n\r\n" + token + "\r\n"), {}, []byte("\r\n\r\n"), bytes.Repeat([]byte("x: y\r\n"), 1000),
		} {
			if err := m.deliver("x@example.net", p.Config.to(), forged); err != nil {
				t.Error(err)
			}
		}
		return k.with("s1")(d, b)
	})
	if err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "s1"); err != nil {
		t.Error(err)
	}
}

// TestFlooded: strangers who connect and never end, send without end, or for other addresses, keep no message from
// arriving, and nothing grows with them.
func TestFlooded(t *testing.T) {
	p, m, k := listening(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.signs(func(d string, b []byte) []byte {
		for range 3 * mostOfOne { // of one host, that of the mail server: it has room all the same
			conn, err := net.Dial("tcp", p.Config.Receive.Listen)
			if err != nil {
				t.Error(err)
				continue
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			fmt.Fprintf(conn, "EHLO x\r\nMAIL FROM:<>\r\n")
		}
		huge := bytes.NewReader(append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("x\r\n"), mostOctets)...))
		if err := give(p.Config.Receive.Listen, "", p.Config.to(), huge); err == nil {
			t.Error("a message without end was taken")
		}
		if err := give(p.Config.Receive.Listen, "", "root@"+d, strings.NewReader("x")); err == nil {
			t.Error("mail for somebody else was taken")
		}
		return k.with("s1")(d, b)
	})
	if err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "s1"); err != nil {
		t.Error(err)
	}
	for range mostOfOne + 5 { // the address is free afterwards
		if conn, err := net.Dial("tcp", p.Config.Receive.Listen); err == nil {
			conn.Close()
			t.Fatal("it is still listened")
		}
	}
}

// TestShared: two signers name one address, and two processes too; each gets its own messages.
func TestShared(t *testing.T) {
	p, m, k := listening(t)
	m.signs(func(d string, b []byte) []byte {
		time.Sleep(20 * time.Millisecond)
		return k.with("s1")(d, b)
	})
	q, elsewhere := *p, *p
	q.Signer, elsewhere.Listeners = "mx2", &Listeners{}
	done := make(chan error)
	for _, one := range []*Prober{p, &q, &elsewhere} {
		go func() { done <- one.Judge(one.Send(t.Context(), []string{"a.example", "b.example"}, nil)[1], "s1") }()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestARC: ARC and DKIM2 are recognised, and are no signature of the domain.
func TestARC(t *testing.T) {
	p, m, k := listening(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	m.signs(func(d string, b []byte) []byte {
		return append([]byte("ARC-Seal: i=1; cv=none; a=rsa-sha256; d=a.example; s=s2; b=aa\r\n"+
			"ARC-Message-Signature: i=1; a=rsa-sha256; d=a.example;\r\n\ts=S1; x=12; b=aa\r\n"+
			"DKIM2-Signature: i=1; d=a.example; s=s1:rsa-sha256:AAAA\r\n"), k.signed(d, "s1", b, expires)...)
	})
	r := p.Send(t.Context(), []string{"a.example"}, nil)[0]
	if err := p.Judge(r, "s1"); err != nil {
		t.Error(err)
	}
	var all []string
	for _, s := range r.Signatures {
		all = append(all, s.Field+" "+s.String())
		if s.Own && !s.Expires.Equal(expires) {
			t.Errorf("it expires at %v, want %v", s.Expires, expires)
		}
	}
	want := "ARC-Seal s2 (rsa-sha256), ARC-Message-Signature s1 (rsa-sha256), DKIM2-Signature s1 (rsa-sha256), DKIM-Signature s1 (rsa-sha256)"
	if got := strings.Join(all, ", "); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// TestTimesOfAMessage: message and report bear the time of the clock that is given.
func TestTimesOfAMessage(t *testing.T) {
	p, m, k := listening(t)
	noon := time.Date(2031, 2, 3, 12, 0, 0, 0, time.UTC)
	p.Now = func() time.Time { return noon }
	messages := make(chan string, 1)
	m.signs(func(d string, b []byte) []byte {
		messages <- string(b)
		return k.signed(d, "s1", b, time.Time{})
	})
	r := p.Send(t.Context(), []string{"a.example"}, nil)[0]
	if r.Err != nil || !r.Sent.Equal(noon) || !r.Arrived.Equal(noon) {
		t.Fatalf("%v: sent %s, arrived %s", r.Err, r.Sent, r.Arrived)
	}
	if message := <-messages; !strings.Contains(message, "Date: Mon, 03 Feb 2031 12:00:00") {
		t.Errorf("it bears another time:\n%s", message)
	}
}

// TestUnchecked: where DNS is not asked, a signature is verified with the key that was switched to.
func TestUnchecked(t *testing.T) {
	p, m, k := listening(t)
	k.shows("s1", "", ErrUnchecked)
	if failed := p.Prove(t.Context(), []dkim.SigningKey{k.key("a.example", "s1")}, nil); len(failed) > 0 {
		t.Error(failed)
	}
	p.Config.Timeout = time.Second
	wrong := dkim.SigningKey{Name: dkim.Name{Domain: "a.example", Selector: "s1"}, Key: k.all["s2"]}
	m.signs(k.with("s1"))
	if err := p.Prove(t.Context(), []dkim.SigningKey{wrong}, nil)["a.example"]; fault.CodeOf(err) != codes.MailDiffers {
		t.Errorf("another key: %v", err)
	}
}

// TestHostileMaildir: the mailbox belongs to somebody who puts pipes, links and large files into it, and who leads its
// directory elsewhere when a probe has arrived: nothing is read from there or removed there, and nothing waits for ever.
func TestHostileMaildir(t *testing.T) {
	p, m, _ := listening(t)
	dir, elsewhere := t.TempDir(), t.TempDir()
	m.deliver = into(t, dir)
	p.Config.Receive = Receive{Maildir: dir}
	precious := filepath.Join(elsewhere, "1.M1.host")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	box, err := openMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer box.close()
	at := filepath.Join(dir, "new")
	if err := errors.Join(syscall.Mkfifo(filepath.Join(at, "pipe"), 0o600), os.Symlink(precious, filepath.Join(at, "link")),
		os.WriteFile(filepath.Join(at, "large"), make([]byte, mostOctets+1), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "link", "large"} {
		if text, err := readIn(box.dirs[0], name); err == nil {
			t.Errorf("%s was read: %d octets", name, len(text))
		}
	}
	if err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "s1"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(os.Rename(at, at+".old"), os.Symlink(elsewhere, at), box.dirs[0].Remove("large")); err != nil {
		t.Error(err)
	}
	_ = box.dirs[0].Remove("1.M1.host")
	if text, err := os.ReadFile(precious); err != nil || string(text) != "precious" {
		t.Errorf("a file elsewhere is gone: %v", err)
	}
}
