package milter

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	gomilter "github.com/emersion/go-milter"
	msgdkim "github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// prober is one connection to the milter. It uses the configuration that was
// in force when it began.
type prober struct {
	session *gomilter.ClientSession
	conn    *bounded
	close   func()
}

// probeTimeout bounds each exchange with the milter.
const probeTimeout = 10 * time.Second

func (s Socket) dial(ctx context.Context) (*prober, error) {
	d := &dialer{ctx: ctx}
	c := gomilter.NewClientWithOptions(s.Network, s.Address, gomilter.ClientOptions{
		Dialer: d, ReadTimeout: probeTimeout, WriteTimeout: probeTimeout,
		ActionMask: gomilter.OptAddHeader | gomilter.OptAddRcpt | gomilter.OptChangeBody | gomilter.OptChangeFrom |
			gomilter.OptChangeHeader | gomilter.OptQuarantine,
	})
	session, err := c.Session()
	if err != nil {
		d.close()
		return nil, err
	}
	p := &prober{session: session, conn: d.conn, close: func() { session.Close(); d.close() }}
	if err := expect(session.Conn("localhost", gomilter.FamilyInet, 25, "127.0.0.1")); err != nil {
		p.close()
		return nil, err
	}
	if err := expect(session.Helo("localhost")); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// dialer keeps the connection, so that it can be closed when ctx ends.
type dialer struct {
	ctx  context.Context
	conn *bounded
	stop func() bool
}

// Dial implements gomilter.Dialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.conn, d.stop = newBounded(newQuickAck(conn)), context.AfterFunc(d.ctx, func() { conn.Close() })
	return d.conn, nil
}

func (d *dialer) close() {
	if d.conn != nil {
		d.stop()
		d.conn.Close()
	}
}

// actionError is an answer other than "continue".
type actionError struct{ *gomilter.Action }

func (e actionError) Error() string {
	if e.SMTPCode != 0 {
		return fmt.Sprintf("it answered %d %s", e.SMTPCode, OneLine(e.SMTPText))
	}
	return map[gomilter.ActionCode]string{
		gomilter.ActAccept: "it let the message through unsigned", gomilter.ActTempFail: "it answered 451, try again later",
		gomilter.ActReject: "it rejected the message", gomilter.ActDiscard: "it discarded the message",
	}[e.Code]
}

func expect(a *gomilter.Action, err error) error {
	if err == nil && a.Code != gomilter.ActContinue {
		return actionError{a}
	}
	return err
}

// OneLine cuts what a milter said to what fits into a sentence.
func OneLine(text string) string {
	const most = 200 // letters
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

// Header returns the header fields, in their order, of a message that is signed to see with which key.
func Header(domain string) [][2]string {
	sender := "postmaster@" + domain
	return [][2]string{
		{"From", sender}, {"To", sender}, {"Subject", "dkimbot probe, never delivered"},
		{"Date", time.Now().UTC().Format(time.RFC1123Z)},
		{"Message-ID", fmt.Sprintf("<dkimbot-probe.%d@%s>", time.Now().UnixNano(), domain)},
	}
}

// Body is the body of such a message.
const Body = "dkimbot asks which key signs. Nobody receives this.\r\n"

// probe gives the milter one message of the domain, as a mail server on this
// host would, and returns the DKIM-Signature fields that it would add.
func (p *prober) probe(domain string, fields [][2]string) ([]string, error) {
	p.conn.begin()
	s, sender := p.session, "postmaster@"+domain
	// A sender that has logged in counts as one of ours, whatever InternalHosts says.
	if err := s.Macros(gomilter.CodeMail, "i", "dkimbot-probe", "{auth_type}", "PLAIN", "{auth_authen}", sender,
		"{mail_addr}", sender); err != nil {
		return nil, err
	}
	if err := expect(s.Mail(sender, nil)); err != nil {
		return nil, err
	}
	if err := expect(s.Rcpt(sender, nil)); err != nil {
		return nil, err
	}
	for _, f := range fields {
		if err := expect(s.HeaderField(f[0], f[1])); err != nil {
			return nil, err
		}
	}
	if err := expect(s.HeaderEnd()); err != nil {
		return nil, err
	}
	if err := expect(s.BodyChunk([]byte(Body))); err != nil {
		return nil, err
	}
	changes, end, err := s.End()
	if err != nil {
		return nil, err
	}
	if end.Code != gomilter.ActContinue && end.Code != gomilter.ActAccept {
		return nil, actionError{end}
	}
	var signatures []string
	for _, c := range changes {
		if (c.Code == gomilter.ActAddHeader || c.Code == gomilter.ActInsertHeader) &&
			strings.EqualFold(c.HeaderName, "DKIM-Signature") {
			signatures = append(signatures, c.HeaderValue)
		}
	}
	return signatures, nil
}

// tagOf returns a tag of a DKIM-Signature (RFC 6376 section 3.5), without white space.
func tagOf(signature, name string) string {
	for tag := range strings.SplitSeq(signature, ";") {
		if n, v, ok := strings.Cut(tag, "="); ok && strings.TrimSpace(n) == name {
			return strings.Join(strings.Fields(v), "")
		}
	}
	return ""
}

// verify checks the signature against the public half of the key.
func verify(signature string, fields [][2]string, domain string, key dkim.PublicKey) error {
	var m strings.Builder
	m.WriteString("DKIM-Signature: " +
		strings.TrimLeft(strings.ReplaceAll(strings.ReplaceAll(signature, "\r\n", "\n"), "\n", "\r\n"), " ") + "\r\n")
	for _, f := range fields {
		m.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	m.WriteString("\r\n" + Body)
	record := dkim.NewRecord(key, "").String()
	verifications, err := msgdkim.VerifyWithOptions(strings.NewReader(m.String()), &msgdkim.VerifyOptions{
		LookupTXT: func(string) ([]string, error) { return []string{record}, nil },
	})
	if err != nil {
		return err
	}
	if len(verifications) != 1 || !strings.EqualFold(verifications[0].Domain, domain) {
		return fmt.Errorf("%d signatures were found", len(verifications))
	}
	return verifications[0].Err
}
