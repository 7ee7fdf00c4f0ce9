package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// odd is a submission server that does something wrong on the way to a login.
type odd struct {
	starttls string                  // its answer; "220 ready" when empty
	instead  func(net.Conn) net.Conn // of TLS; nil for a connection that is over
	mute     bool                    // it never greets
	noLogin  bool                    // AUTH is not offered within TLS
	auth     string                  // its answer to a login

	mu    sync.Mutex
	plain []string // the commands that came without TLS
}

// listen takes one connection after the other.
func (o *odd) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() { l.Close(); stop(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				context.AfterFunc(ctx, func() { c.Close() })
				o.serve(c)
			})
		}
	})
	return l.Addr().String()
}

func (o *odd) serve(c net.Conn) {
	r, secure := bufio.NewReader(c), false
	say := func(text string) { c.Write([]byte(text + "\r\n")) }
	if !o.mute {
		say("220 mx")
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if !secure {
			o.mu.Lock()
			o.plain = append(o.plain, line)
			o.mu.Unlock()
		}
		switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); {
		case o.mute:
		case verb == "EHLO" && !secure:
			say("250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN")
		case verb == "EHLO" && o.noLogin:
			say("250 mx")
		case verb == "EHLO":
			say("250-mx\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			answer := o.starttls
			if answer == "" {
				answer = "220 ready"
			}
			if say(answer); answer[0] != '2' {
				continue
			}
			if c = o.instead(c); c == nil {
				return
			}
			r, secure = bufio.NewReader(c), true
		case verb == "AUTH":
			say(o.auth)
		default:
			say("502 no")
		}
	}
}

// silent reads what comes, and answers nothing.
func silent(c net.Conn) net.Conn {
	io.Copy(io.Discard, c)
	return nil
}

// TestOddSTARTTLS guards I9: a server that breaks what comes before a login, or refuses it, is an error that says what
// it did, in time; the password goes nowhere without TLS, and is in no error.
func TestOddSTARTTLS(t *testing.T) {
	config, ca := certificate(t)
	stale, staleCA := dated(t, -48*time.Hour, "127.0.0.1")
	other, otherCA := dated(t, time.Hour, "192.0.2.1")
	with := func(config *tls.Config) func(net.Conn) net.Conn {
		return func(c net.Conn) net.Conn {
			if secure := tls.Server(c, config); secure.Handshake() == nil {
				return secure
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		odd  *odd
		ca   string
		says string
	}{
		"expired certificate":     {&odd{instead: with(stale)}, staleCA, "expired"},
		"another name":            {&odd{instead: with(other)}, otherCA, "192.0.2.1"},
		"TLS not now":             {&odd{starttls: "454 TLS not available", instead: with(config)}, ca, "454"},
		"TLS refused":             {&odd{starttls: "502 no such command", instead: with(config)}, ca, "no such command"},
		"ends instead":            {&odd{instead: func(net.Conn) net.Conn { return nil }}, ca, ""},
		"no TLS behind it":        {&odd{instead: func(c net.Conn) net.Conn { return c }}, ca, ""},
		"silent behind it":        {&odd{instead: silent}, ca, ""},
		"answers before TLS":      {&odd{starttls: "220 ready\r\n250-mx\r\n250 AUTH PLAIN", instead: with(config)}, ca, ""},
		"never greets":            {&odd{mute: true}, ca, "the server was not ready within"},
		"offers no login":         {&odd{instead: with(config), noLogin: true}, ca, "AUTH"},
		"login refused":           {&odd{instead: with(config), auth: "535 5.7.8 no: " + secret}, ca, "535"},
		"login refused, encoded":  {&odd{instead: with(config), auth: "535 " + encoded}, ca, "535"},
		"login refused for now":   {&odd{instead: with(config), auth: "454 4.7.0 later"}, ca, "later"},
		"login only by other way": {&odd{instead: with(config), auth: "504 mechanism not supported"}, ca, "504"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _, _ := listening(t)
			p.Config.Submit, p.Config.CAFile = "smtp://"+c.odd.listen(t), c.ca
			p.Config.Username, p.Config.Password = "probe", settings.Inline(secret)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			err := p.Send(ctx, []string{"a.example"}, nil)[0].Err
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), encoded) {
				t.Errorf("the password is shown: %v", err)
			}
			c.odd.mu.Lock()
			defer c.odd.mu.Unlock()
			for _, line := range c.odd.plain {
				if strings.HasPrefix(strings.ToUpper(line), "AUTH") || strings.Contains(line, secret) ||
					strings.Contains(line, encoded) {
					t.Errorf("a login came without TLS: %q", line)
				}
			}
		})
	}
}

// encoded is the password as a login has it.
var encoded = base64.StdEncoding.EncodeToString([]byte("\x00probe\x00" + secret))
