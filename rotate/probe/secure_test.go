package probe

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

const secret = "hunter2-correct-horse"

// certificate is one of 127.0.0.1 that signs itself, and the file that it stands in.
func certificate(t *testing.T) (*tls.Config, string) { return dated(t, 24*time.Hour, "127.0.0.1") }

// dated is one of an address that is valid for so long from now on.
func dated(t *testing.T, valid time.Duration, address string) (*tls.Config, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-72 * time.Hour), NotAfter: time.Now().Add(valid),
		IPAddresses: []net.IP{net.ParseIP(address)}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}, file
}

// startIMAP starts a server with one mailbox, and returns what delivers to it.
func startIMAP(t *testing.T, config *tls.Config, implicit bool) (address string, user *imapmemserver.User) {
	t.Helper()
	mem := imapmemserver.New()
	user = imapmemserver.NewUser("probe", secret)
	if err := user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	mem.AddUser(user)
	s := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		TLSConfig: config, Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}}, Logger: log.New(io.Discard, "", 0),
		InsecureAuth: config == nil,
	})
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = on.Addr().String()
	if implicit {
		on = tls.NewListener(on, config)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(on) }()
	t.Cleanup(func() { s.Close(); <-done })
	return address, user
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// left returns how many messages lie in the mailbox.
func left(t *testing.T, user *imapmemserver.User) int {
	t.Helper()
	data, err := user.Status("INBOX", &imap.StatusOptions{NumMessages: true})
	if err != nil {
		t.Fatal(err)
	}
	return int(*data.NumMessages)
}

// TestIMAP: a probe is found in a mailbox with other people's mail, with TLS from the start, by STARTTLS, and on this machine
// without; it alone is removed. Without the right password or certificate, what is wrong is said, and not the password (I9).
func TestIMAP(t *testing.T) {
	config, ca := certificate(t)
	for name, way := range map[string]struct {
		scheme   string
		config   *tls.Config
		implicit bool
		ca       string
	}{"imaps": {"imaps", config, true, ca}, "starttls": {"imap", config, false, ca}, "plain": {"imap", nil, false, ""}} {
		t.Run(name, func(t *testing.T) {
			p, m, k := listening(t)
			m.signs(k.with("s1"))
			address, user := startIMAP(t, way.config, way.implicit)
			put := func(_, _ string, message []byte) error {
				_, err := user.Append("INBOX", literal{bytes.NewReader(message)}, &imap.AppendOptions{})
				return err
			}
			m.deliver = func(from, to string, message []byte) error {
				for _, b := range [][]byte{[]byte("Subject: of others\r\n\r\nx\r\n"), bytes.Repeat([]byte("x: y\r\n"), mostOctets/4), message} {
					if err := put(from, to, b); err != nil {
						return err
					}
				}
				return nil
			}
			if err := put("", "", []byte("Subject: it lay there\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			p.Config.Receive = Receive{IMAP: way.scheme + "://" + address, Username: "probe", Password: settings.Inline(secret),
				CAFile: way.ca, Mailbox: "INBOX"}
			r := p.Send(t.Context(), []string{"a.example"}, nil)[0]
			if err := p.Judge(r, "s1"); err != nil {
				t.Fatal(err)
			}
			if n := left(t, user); n != 3 {
				t.Errorf("%d messages are left, want the three of others", n)
			}
			for what, wrong := range map[string]func(*Receive){
				"password": func(r *Receive) { r.Password = settings.Inline("wrong-" + secret) },
				"mailbox":  func(r *Receive) { r.Mailbox = "Probes" },
			} {
				q := *p
				wrong(&q.Config.Receive)
				err := q.Send(t.Context(), []string{"a.example"}, nil)[0].Err
				if err == nil || strings.Contains(err.Error(), secret) {
					t.Errorf("wrong %s: %v", what, err)
				}
			}
		})
	}
}

// authSession is a session of a server that wants a login.
type authSession struct{ mtaSession }

func (s *authSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth repeats what it got when it is wrong, as no server should.
func (s *authSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username == "probe" && password == secret {
			return nil
		}
		return &smtp.SMTPError{Code: 535, Message: "not the password: " + password}
	}), nil
}

// submission is a mail server that wants TLS and a login.
func submission(t *testing.T, m *mta, config *tls.Config, implicit bool) string {
	t.Helper()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &authSession{mtaSession{of: m}}, nil
	}))
	s.ErrorLog, s.TLSConfig = log.New(io.Discard, "", 0), config
	s.AllowInsecureAuth = config == nil
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := on.Addr().String()
	if implicit {
		on = tls.NewListener(on, config)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(on) }()
	t.Cleanup(func() { s.Close(); <-done })
	return address
}

// TestLogin guards I9: a login goes over TLS, whose certificate is checked where an authority is named; on this machine it may
// go without; and no message holds the password.
func TestLogin(t *testing.T) {
	config, ca := certificate(t)
	_, otherCA := certificate(t)
	p, m, _ := listening(t)
	p.Config.Username = "probe"
	for _, c := range []struct {
		scheme, ca, password, says string
		config                     *tls.Config
		implicit                   bool
	}{
		{scheme: "smtp", config: config, ca: ca, password: secret},
		{scheme: "smtp", config: config, password: secret},
		{scheme: "smtp", password: secret},
		{scheme: "smtps", config: config, implicit: true, ca: ca, password: secret},
		{scheme: "smtp", config: config, ca: otherCA, password: secret, says: "certificate"},
		{scheme: "smtps", config: config, implicit: true, ca: otherCA, password: secret, says: "certificate"},
		{scheme: "smtp", ca: ca, password: secret, says: "STARTTLS"},
		{scheme: "smtp", config: config, ca: ca, password: "wrong-" + secret, says: "not the password: (the password)"},
		{scheme: "smtp", config: config, ca: "/nonexistent.pem", password: secret, says: "ca_file"},
	} {
		p.Config.Submit = c.scheme + "://" + submission(t, m, c.config, c.implicit)
		p.Config.CAFile, p.Config.Password = c.ca, settings.Inline(c.password)
		r := p.Send(t.Context(), []string{"a.example"}, nil)[0]
		err := p.Judge(r, "s1")
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the password is shown: %v", err)
		}
	}
}

// TestElsewhere guards I9: to another machine, no password goes without TLS.
func TestElsewhere(t *testing.T) {
	for host, plain := range map[string]bool{"127.0.0.1": true, "localhost": true, "::1": true, "192.0.2.1": false, "mx1": false,
		"localhost.example.com": false, "127.0.0.1.example.com": false} {
		if plainEnough(host, "") != plain {
			t.Errorf("%s: %v", host, !plain)
		}
		if config, err := tlsConfig(host, ""); err != nil || config.InsecureSkipVerify != plain {
			t.Errorf("%s: the certificate is checked: %v, %v", host, !config.InsecureSkipVerify, err)
		}
	}
}

// TestCheck: the way is tried without a message, and what is missing is said.
func TestCheck(t *testing.T) {
	p, m, _ := listening(t)
	wrong := func(p *Prober) (out []error) {
		for _, a := range preflight.Ask(t.Context(), []preflight.Part{{Questions: p.Check()}}, preflight.Usual) {
			out = append(out, a.Err)
			if a.Err != nil {
				faulttest.Shown(t, a.Err)
			}
		}
		return out
	}
	if errs := wrong(p); errs[0] != nil || errs[1] != nil {
		t.Error(errs)
	}
	q := *p
	q.Config.Submit, q.Config.Receive.Listen = "smtp://127.0.0.1:1", "192.0.2.1:2525"
	if errs := wrong(&q); errs[0] == nil || errs[1] == nil {
		t.Error(errs)
	}
	q.Config.Receive = Receive{Maildir: t.TempDir()}
	if errs := wrong(&q); errs[1] == nil {
		t.Error(errs)
	}
	into(t, q.Config.Receive.Maildir)
	if errs := wrong(&q); errs[1] != nil {
		t.Error(errs)
	}
	if m.count() != 0 {
		t.Errorf("%d messages were sent", m.count())
	}
}
