package signertest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// maddyAt is where "make servers" builds maddy, from the module maddyserver beside this package.
const maddyAt = "/usr/local/lib/dkimbot-maddy/maddy"

// Maddy is a real maddy, started by root. What is sent through it comes back to the test.
type Maddy struct {
	KeyDir string
	File   string // that its configuration imports
	Conf   string
	Ask    string // its endpoint for questions
	Answer string // the socket to which that delivers

	port int
	sink *sink
	restartable
}

// NewMaddy sets maddy up; Start starts it.
func NewMaddy(t testing.TB) *Maddy {
	t.Helper()
	if _, err := os.Stat(maddyAt); err != nil {
		t.Fatalf("maddy is not there; make servers builds it (%v)", err)
	}
	m := &Maddy{port: nameservertest.FreePort(t), sink: newSink(t)}
	m.restartable = newRestartable(t, "maddy", m.Submit())
	at := func(name string) string { return filepath.Join(m.Dir, name) }
	m.KeyDir, m.File, m.Conf, m.Answer = at("keys"), at("dkimbot.conf"), at("maddy.conf"), at("answer/socket")
	m.Ask = net.JoinHostPort("127.0.0.1", strconv.Itoa(nameservertest.FreePort(t)))
	must(t, os.Mkdir(m.KeyDir, 0o700))
	must(t, os.WriteFile(m.File, nil, 0o644))
	must(t, os.WriteFile(m.Conf, []byte(fmt.Sprintf(`hostname mail.example.org
state_dir %[1]s/state
runtime_dir %[1]s/run
tls off

modifiers dkimbot {
    import %[2]s
}

smtp tcp://%[3]s {
    modify &dkimbot
    deliver_to lmtp unix://%[4]s
}

smtp tcp://127.0.0.1:%[5]d {
    modify &dkimbot
    deliver_to smtp tcp://127.0.0.1:%[6]d {
        starttls no
    }
}
`, m.Dir, m.File, m.Ask, m.Answer, m.port, m.sink.port)), 0o644))
	// As systemd does, it lets the old one end, and kills it when that takes too long.
	script := fmt.Sprintf(`#!/bin/sh
if [ -s %[1]s ]; then
	old=$(cat %[1]s)
	kill -TERM "$old" 2>/dev/null
	n=0
	while state=$(cat "/proc/$old/stat" 2>/dev/null) && [ "${state##*) Z *}" ]; do
		n=$((n + 1))
		[ $n -lt 350 ] || kill -KILL "$old" 2>/dev/null
		sleep 0.02
	done
fi
setsid %[2]s --config %[3]s run </dev/null >>%[4]s 2>&1 &
echo $! >%[1]s
`, m.pid, maddyAt, m.Conf, at("log"))
	must(t, os.WriteFile(m.restart, []byte(script), 0o755))
	return m
}

// Submit is where mail is submitted to it.
func (m *Maddy) Submit() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

// DeliverTo has the mail that is submitted delivered to another address than the test's own. Call it before Start.
func (m *Maddy) DeliverTo(t testing.TB, address string) {
	t.Helper()
	conf, err := os.ReadFile(m.Conf)
	must(t, err)
	own := fmt.Sprintf("tcp://127.0.0.1:%d", m.sink.port)
	must(t, os.WriteFile(m.Conf, []byte(strings.Replace(string(conf), own, "tcp://"+address, 1)), 0o644))
}

// StartMaddy starts one and stops it after the test.
func StartMaddy(t testing.TB) *Maddy {
	t.Helper()
	m := NewMaddy(t)
	m.Start(t)
	t.Cleanup(func() { m.Stop(t) })
	return m
}

// Mail sends a message from someone at the domain through maddy and returns what comes out. While maddy is started
// again its clients try again.
func (m *Maddy) Mail(t testing.TB, domain string) Answer {
	t.Helper()
	to := m.sink.expect()
	deadline := time.Now().Add(5 * time.Minute)
	for err := submit(m.port, "someone@"+domain, to); err != nil; err = submit(m.port, "someone@"+domain, to) {
		if message, ok := m.sink.take(to); ok {
			return Answer{Signatures: Signatures(message)}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v\n%s", domain, err, m.Said())
		}
		time.Sleep(20 * time.Millisecond)
	}
	message, ok := m.sink.take(to) // maddy says that it was taken when the sink has
	if !ok {
		t.Fatalf("%s: the message does not come out: %s", domain, m.Said())
	}
	return Answer{Signatures: Signatures(message)}
}

// SignsWith returns which of the keys signs mail of the domain, so that it verifies; the zero Ref when mail goes out
// unsigned. Anything else fails the test.
func (m *Maddy) SignsWith(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref {
	t.Helper()
	return m.Mail(t, domain).signedWith(t, domain, keys...)
}
