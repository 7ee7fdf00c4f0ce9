package signertest

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-milter"
	msgdkim "github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Session is a mail server's connection to the daemon. The daemon keeps the
// tables that were in force when it began.
type Session struct {
	t testing.TB
	s *milter.ClientSession
}

// asked is a milter that tests ask as a mail server would.
type asked struct{ address string }

// Connect opens a session as a mail server on 127.0.0.1 would.
func (d *asked) Connect(t testing.TB) *Session {
	t.Helper()
	c, err := d.connect(t)
	must(t, err)
	return c
}

func (d *asked) connect(t testing.TB) (*Session, error) {
	s, err := milter.NewDefaultClient("tcp", d.address).Session()
	if err != nil {
		return nil, err
	}
	if _, err := s.Conn("localhost", milter.FamilyInet, 25, "127.0.0.1"); err != nil {
		s.Close()
		return nil, err
	}
	return &Session{t, s}, nil
}

// Close ends the session.
func (c *Session) Close() { c.s.Close() }

// Mail gives the daemon a message and returns what it does with it.
func (c *Session) Mail(from string) Answer {
	c.t.Helper()
	a, err := c.mail(from)
	must(c.t, err)
	return a
}

func (c *Session) mail(from string) (Answer, error) {
	date := time.Now().Format(time.RFC1123Z)
	fields := [][2]string{{"From", from}, {"To", "someone@example.net"}, {"Subject", "test"}, {"Date", date}}
	message := ""
	steps := []func() (*milter.Action, error){
		func() (*milter.Action, error) { return c.s.Mail(from, nil) },
		func() (*milter.Action, error) { return c.s.Rcpt("someone@example.net", nil) }}
	for _, f := range fields {
		message += f[0] + ": " + f[1] + "\r\n"
		steps = append(steps, func() (*milter.Action, error) { return c.s.HeaderField(f[0], f[1]) })
	}
	steps = append(steps, c.s.HeaderEnd, func() (*milter.Action, error) { return c.s.BodyChunk([]byte("Hello.\r\n")) })
	end := 2 + len(fields) // of the header: a daemon can let the message through then
	for i, step := range steps {
		a, err := step()
		switch {
		case err != nil:
			return Answer{}, err
		case a.Code == milter.ActAccept && i == end:
			return Answer{}, nil
		case a.Code != milter.ActContinue && a.Code != milter.ActAccept:
			return Answer{Refused: true}, nil
		}
	}
	changes, a, err := c.s.End()
	switch {
	case err != nil:
		return Answer{}, err
	case a.Code != milter.ActContinue && a.Code != milter.ActAccept:
		return Answer{Refused: true}, nil
	}
	return Answer{Signatures: signatures(changes, message+"\r\nHello.\r\n")}, nil
}

func signatures(changes []milter.ModifyAction, message string) []Signature {
	var found []Signature
	for _, c := range changes {
		if !strings.EqualFold(c.HeaderName, "DKIM-Signature") {
			continue
		}
		s := Signature{Value: strings.ReplaceAll(strings.TrimSpace(c.HeaderValue), "\n", "\r\n")}
		for tag := range strings.SplitSeq(s.Value, ";") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(tag), "="); name {
			case "d":
				s.Domain = value
			case "s":
				s.Selector = value
			}
		}
		s.Message = "DKIM-Signature: " + s.Value + "\r\n" + message
		found = append(found, s)
	}
	return found
}

// Mail gives the daemon a message from someone at the domain, on a connection of its own.
func (d *asked) Mail(t testing.TB, domain string) Answer {
	t.Helper()
	c := d.Connect(t)
	defer c.Close()
	return c.Mail("someone@" + domain)
}

// MailAgain is Mail, and tries again for a minute where the connection is lost, as when the daemon is started again: a
// mail server tells its client to come back then.
func (d *asked) MailAgain(t testing.TB, domain string) Answer {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		c, err := d.connect(t)
		if err == nil {
			var a Answer
			a, err = c.mail("someone@" + domain)
			if c.Close(); err == nil {
				return a
			}
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// SignsWith returns which of the keys signs mail of the domain, so that it
// verifies; the zero Ref when the daemon lets mail through unsigned. Anything
// else, such as mail turned away or two signatures, fails the test.
func (d *asked) SignsWith(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref {
	t.Helper()
	return d.Mail(t, domain).signedWith(t, domain, keys...)
}

// signedWith returns the key that an answer's one signature verifies with; the zero Ref for none.
func (a Answer) signedWith(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref {
	t.Helper()
	if a.Refused || len(a.Signatures) > 1 {
		t.Fatalf("%s: %v; want one signature", domain, a)
	}
	if len(a.Signatures) == 0 {
		return dkim.Ref{}
	}
	sig := a.Signatures[0]
	for _, k := range keys {
		if sig.Verify(k) == nil {
			return dkim.Ref{Name: dkim.Name{Domain: sig.Domain, Selector: sig.Selector}, KeyID: k.ID()}
		}
	}
	t.Fatalf("%s: the signature %v verifies with none of %v", domain, a, keys)
	return dkim.Ref{}
}

// Verify checks the signature as a receiver would that finds the key's record.
func (s Signature) Verify(key *dkim.PrivateKey) error {
	v, err := msgdkim.VerifyWithOptions(strings.NewReader(s.Message), &msgdkim.VerifyOptions{
		LookupTXT: func(string) ([]string, error) {
			return []string{dkim.NewRecord(key.Public(), "").String()}, nil
		},
	})
	if err != nil {
		return err
	}
	return v[0].Err
}
