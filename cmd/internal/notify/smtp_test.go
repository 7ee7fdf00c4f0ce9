package notify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailServer is a small SMTP server (RFC 5321) with STARTTLS (RFC 3207) and AUTH
// PLAIN (RFC 4616). Its fields say what it offers and refuses.
type mailServer struct {
	addr   string
	caFile string

	startTLS bool
	implicit bool
	auth     string              // "user password" that it takes; "": no AUTH
	refuse   map[string][]string // command, or command and argument -> replies, one for each time it comes
	hang     bool                // it accepts and says nothing

	secure *tls.Config
	mu     sync.Mutex
	got    []received
	logins int
	inTLS  bool // the last login or letter came encrypted
}

type received struct {
	from string
	to   []string
	data string
}

func startMail(t testing.TB, change func(*mailServer)) *mailServer {
	t.Helper()
	s := &mailServer{refuse: map[string][]string{}}
	s.certificate(t)
	change(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	s.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.session(conn)
		}
	}()
	return s
}

// certificate makes one for 127.0.0.1 that proves itself.
func (s *mailServer) certificate(t testing.TB) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	s.secure = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.caFile = filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(s.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

func (s *mailServer) session(conn net.Conn) {
	defer conn.Close()
	if s.hang {
		io.Copy(io.Discard, conn)
		return
	}
	encrypted := s.implicit
	if s.implicit {
		conn = tls.Server(conn, s.secure)
	}
	var now received
	r := textproto.NewReader(bufio.NewReader(conn))
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 test ESMTP")
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		word, arg, _ := strings.Cut(line, " ")
		word = strings.ToUpper(word)
		if reply, ok := s.refusal(word, arg); ok {
			say("%s", reply)
			continue
		}
		switch word {
		case "EHLO":
			say("250-test")
			if s.startTLS && !encrypted {
				say("250-STARTTLS")
			}
			if s.auth != "" {
				say("250-AUTH LOGIN PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			conn, encrypted = tls.Server(conn, s.secure), true
			r = textproto.NewReader(bufio.NewReader(conn))
		case "AUTH":
			s.login(arg, encrypted, say)
		case "MAIL":
			now = received{from: arg}
			say("250 ok")
		case "RCPT":
			now.to = append(now.to, arg)
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			text, err := io.ReadAll(r.DotReader())
			if err != nil {
				return
			}
			now.data = string(text)
			s.mu.Lock()
			s.got, s.inTLS = append(s.got, now), encrypted
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

// refusal returns what the server says instead of carrying the command out.
func (s *mailServer) refusal(word, arg string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range []string{word, word + " " + arg} {
		if replies := s.refuse[key]; len(replies) > 0 {
			s.refuse[key] = replies[1:]
			return replies[0], true
		}
	}
	return "", false
}

func (s *mailServer) login(arg string, encrypted bool, say func(string, ...any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins++
	s.inTLS = encrypted
	text, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(arg, "PLAIN "))
	if strings.ReplaceAll(strings.Trim(string(text), "\x00"), "\x00", " ") != s.auth {
		say("535 5.7.8 no, %s is wrong", text)
		return
	}
	say("235 welcome")
}

func (s *mailServer) letters() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received{}, s.got...)
}

// mail returns a configuration that mails to the server.
func (s *mailServer) mail(tls string) *Mail {
	return &Mail{Server: s.addr, TLS: tls, CAFile: s.caFile, From: "dkimbot@example.com",
		To: []string{"ops@example.com", "boss@example.com"},
		On: []string{Failed, Refused, Rotated}, Timeout: time.Minute,
		Password: func() (string, error) { return "hunter2", nil }}
}
