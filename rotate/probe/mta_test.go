package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-smtp"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// mta is a mail server that signs as it is told, and delivers.
type mta struct {
	address string
	deliver func(from, to string, message []byte) error

	mu    sync.Mutex
	sign  func(domain string, message []byte) []byte
	taken int
}

// signs changes how mail is signed.
func (m *mta) signs(how func(domain string, message []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sign = how
}

func (m *mta) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken
}

type mtaSession struct {
	of       *mta
	from, to string
}

func (s *mtaSession) Reset()                                      {}
func (s *mtaSession) Logout() error                               { return nil }
func (s *mtaSession) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *mtaSession) Rcpt(to string, _ *smtp.RcptOptions) error   { s.to = to; return nil }
func (s *mtaSession) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(s.from, "@")
	s.of.mu.Lock()
	sign := s.of.sign
	s.of.taken++
	s.of.mu.Unlock()
	message = sign(domain, message)
	if message == nil {
		return nil
	}
	return s.of.deliver(s.from, s.to, message)
}

// startMTA starts a mail server on loopback that delivers to what deliver says.
func startMTA(t *testing.T, deliver func(from, to string, message []byte) error) *mta {
	t.Helper()
	m := &mta{deliver: deliver}
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = on.Addr().String()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mtaSession{of: m}, nil }))
	s.ErrorLog = log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(on) }()
	t.Cleanup(func() { on.Close(); s.Close(); <-done })
	return m
}

// to delivers by SMTP.
func to(address string) func(from, to string, message []byte) error {
	return func(from, to string, message []byte) error {
		return give(address, from, to, bytes.NewReader(message))
	}
}

// give gives a server a message without TLS.
func give(address, from, to string, message io.Reader) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return smtp.NewClient(conn).SendMail(from, []string{to}, message)
}

// into delivers to a Maildir.
func into(t *testing.T, dir string) func(from, to string, message []byte) error {
	t.Helper()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	var mu sync.Mutex
	return func(from, _ string, message []byte) error {
		mu.Lock()
		defer mu.Unlock()
		n++
		name := fmt.Sprintf("1.M%d.host", n)
		text := append([]byte("Return-Path: <"+from+">\n"), bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n"))...)
		if err := os.WriteFile(filepath.Join(dir, "tmp", name), text, 0o600); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, "tmp", name), filepath.Join(dir, "new", name))
	}
}

// keys are what the tests sign with, and what DNS shows.
type keys struct {
	all map[string]*dkim.PrivateKey // by selector

	mu   sync.Mutex
	dns  map[string]string // by selector
	down error
}

func newKeys(t *testing.T) *keys {
	t.Helper()
	k := &keys{all: map[string]*dkim.PrivateKey{}, dns: map[string]string{}}
	for _, s := range []string{"s1", "s2"} {
		key, err := dkim.Generate(dkim.RSA2048)
		if err != nil {
			t.Fatal(err)
		}
		k.all[s], k.dns[s] = key, dkim.NewRecord(key.Public(), "").String()
	}
	return k
}

// records are what DNS shows.
func (k *keys) records(_ context.Context, n dkim.Name) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down != nil {
		return nil, k.down
	}
	if value, ok := k.dns[n.Selector]; ok {
		return []string{value}, nil
	}
	return nil, nil
}

func (k *keys) shows(selector, value string, down error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dns[selector], k.down = value, down
}

// with signs with a selector's key.
func (k *keys) with(selectors ...string) func(domain string, message []byte) []byte {
	return func(domain string, message []byte) []byte {
		for _, s := range selectors {
			message = k.signed(domain, s, message, time.Time{})
		}
		return message
	}
}

func (k *keys) signed(domain, selector string, message []byte, expires time.Time) []byte {
	var out bytes.Buffer
	err := msgauth.Sign(&out, bytes.NewReader(message), &msgauth.SignOptions{Domain: domain, Selector: selector,
		Signer: k.all[selector].Signer(), HeaderCanonicalization: msgauth.CanonicalizationRelaxed, Expiration: expires,
		BodyCanonicalization: msgauth.CanonicalizationRelaxed, HeaderKeys: []string{"From", "To", "Subject", "Date"}})
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

func (k *keys) key(domain, selector string) dkim.SigningKey {
	return dkim.SigningKey{Name: dkim.Name{Domain: domain, Selector: selector}, Key: k.all[selector]}
}

// listening is a prober that listens, its mail server, and the keys.
func listening(t *testing.T) (*Prober, *mta, *keys) {
	t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(nameservertest.FreePort(t)))
	m, k := startMTA(t, to(address)), newKeys(t)
	m.signs(k.with("s1"))
	return prober(t, m, k, Receive{Listen: address}), m, k
}

func prober(t *testing.T, m *mta, k *keys, r Receive) *Prober {
	t.Helper()
	c := Defaults()
	c.Submit, c.Receive, c.Timeout = "smtp://"+m.address, r, time.Minute
	return &Prober{Signer: "mx1", Config: *c, Listeners: &Listeners{}, Records: k.records}
}
