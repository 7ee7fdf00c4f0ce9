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
	s, err := milter.NewDefaultClient("tcp", d.address).Session()
	must(t, err)
	_, err = s.Conn("localhost", milter.FamilyInet, 25, "127.0.0.1")
	must(t, err)
	return &Session{t, s}
}

// Close ends the session.
func (c *Session) Close() { c.s.Close() }

// Mail gives the daemon a message and returns what it does with it.
func (c *Session) Mail(from string) Answer {
	c.t.Helper()
	date := time.Now().Format(time.RFC1123Z)
	fields := [][2]string{{"From", from}, {"To", "someone@example.net"}, {"Subject", "test"}, {"Date", date}}
	refused := func(a *milter.Action, err error) bool {
		must(c.t, err)
		return a.Code != milter.ActContinue && a.Code != milter.ActAccept
	}
	if refused(c.s.Mail(from, nil)) || refused(c.s.Rcpt("someone@example.net", nil)) {
		return Answer{Refused: true}
	}
	message := ""
	for _, f := range fields {
		message += f[0] + ": " + f[1] + "\r\n"
		if refused(c.s.HeaderField(f[0], f[1])) {
			return Answer{Refused: true}
		}
	}
	end, err := c.s.HeaderEnd()
	must(c.t, err)
	if end.Code == milter.ActAccept {
		return Answer{}
	}
	if refused(end, nil) || refused(c.s.BodyChunk([]byte("Hello.\r\n"))) {
		return Answer{Refused: true}
	}
	changes, end, err := c.s.End()
	if refused(end, err) {
		return Answer{Refused: true}
	}
	return Answer{Signatures: signatures(changes, message+"\r\nHello.\r\n")}
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
