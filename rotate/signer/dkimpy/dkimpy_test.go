package dkimpy

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// newSigner returns the adapter for a test's daemon; edit changes its configuration.
func newSigner(t testing.TB, d *signertest.DkimpyMilter, edit func(*Config)) *Signer {
	t.Helper()
	cfg := Config{Name: "py", KeyDir: d.KeyDir, KeyTable: d.KeyTable, KeyTableEd25519: d.KeyTableEd25519,
		SigningTable: d.SigningTable, Restart: d.Restart(), RestartTimeout: 2 * time.Minute, Milter: d.Socket,
		Lag: time.Millisecond}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestConformance guards I1 and I10 with the real daemon.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		d := signertest.StartDkimpyMilter(t, true)
		return signertest.Subject{
			Signer: newSigner(t, d, nil),
			Files:  []string{d.KeyTable, d.KeyTableEd25519, d.SigningTable},
			SignsWith: func(t *testing.T, domain string) dkim.Ref {
				return d.SignsWith(t, domain, signertest.Keys(t, 4)...)
			},
			Stop: func(t *testing.T) {
				d.Stop(t)
				write(t, d.Restart()[0], "#!/bin/sh\nexit 1\n")
			},
			Backup: func(t *testing.T) func() {
				was := map[string]string{}
				for _, path := range []string{d.KeyTable, d.KeyTableEd25519, d.SigningTable} {
					was[path] = read(t, path)
				}
				return func() {
					for path, text := range was {
						write(t, path, text)
					}
					d.Start(t)
				}
			},
		}
	})
}

// TestBothKinds: with both tables of keys a domain is signed once, with whichever kind its key is, and a second program
// verifies it; a domain goes from one kind to the other in one step, also at the same selector.
func TestBothKinds(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 2)
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	b := signertest.At("b.example", "s1", k[1])
	for i, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", small),
		signertest.At("a.example", "s1", small), signertest.At("a.example", "s1", k[1])} {
		activate(t, s, key, b)
		a := d.Mail(t, "a.example")
		if a.Refused || len(a.Signatures) != 1 || a.Signatures[0].Selector != key.Selector {
			t.Fatalf("%d: %v; want one signature with %s", i, a, key.Selector)
		}
		if !a.Signatures[0].VerifyWithDkimpy(t, key.Key) {
			t.Errorf("dkimpy: the signature with %s does not verify: %s", key.Selector, a.Signatures[0].Value)
		}
		if got := d.SignsWith(t, "b.example", k...); got != b.Ref() {
			t.Errorf("b.example is signed with %+v", got)
		}
	}

	one := signertest.StartDkimpyMilter(t, false)
	s = newSigner(t, one, nil)
	key := signertest.At("a.example", "e1", small)
	each, whichever := s.Screen(t.Context(), []dkim.SigningKey{{Name: key.Name,
		Record: dkim.NewRecord(small.Public(), "").String()}})
	if whichever != nil {
		t.Error(whichever)
	}
	signertest.WantCode(t, each["a.example"], "unproven-algorithm", "key_table_ed25519")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "unproven-algorithm")
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	if got := one.SignsWith(t, "a.example", k...); got.Selector != "s1" {
		t.Errorf("signed with %+v", got)
	}
}

// TestOthersLines guards I6 and I1: lines of a person sign before the first switch, are told, and are kept byte for
// byte, without effect, after it; what would be found before ours, or keep the daemon from starting, is refused.
func TestOthersLines(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, false)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 3)
	manual := filepath.Join(d.KeyDir, "mail.pem")
	write(t, manual, string(k[0].PEM()))
	keys := "# by hand\nmail a.example:mail:" + manual + "\nother c.example:mail:" + manual + "\n"
	signs := "*@a.example mail\n# note\n*@c.example other\nsome*@b.example other other\n"
	write(t, d.KeyTable, keys)
	write(t, d.SigningTable, signs)
	d.Start(t)
	active, err := s.Active(t.Context(), []string{"a.example", "c.example", "absent.example"})
	mail := signertest.At("a.example", "mail", k[0])
	if err != nil || len(active) != 2 || active["a.example"] != mail.Ref() {
		t.Fatalf("Active: %v, %v", active, err)
	}
	for i, selector := range []string{"s1", "s2"} {
		key := signertest.At("a.example", selector, k[1+i])
		activate(t, s, key)
		if got := d.SignsWith(t, "a.example", k...); got != key.Ref() {
			t.Errorf("signed with %+v", got)
		}
		if got := d.SignsWith(t, "c.example", k...); got.Selector != "mail" {
			t.Errorf("c.example is signed with %+v", got)
		}
		if !strings.HasPrefix(read(t, d.KeyTable), keys) || !strings.HasPrefix(read(t, d.SigningTable), signs) {
			t.Errorf("tables:\n%s\n%s", read(t, d.KeyTable), read(t, d.SigningTable))
		}
	}
	next := signertest.At("a.example", "s1", k[1])
	for _, tc := range []struct{ path, line, code, word string }{
		{d.SigningTable, "% other\n", "foreign-signer-line", "finds before"},
		{d.SigningTable, "*example other\n", "foreign-signer-line", "*example"},
		{d.SigningTable, "boss@a.example s2-" + k[2].ID()[:8] + "._domainkey.a.example\n", "foreign-signer-line", "whose key"},
		{d.SigningTable, "word\n", "unloadable-line", "one word"},
		{d.KeyTable, "x b.example:mail:/nonexistent/key\n", "unloadable-line", "/nonexistent/key"},
		{d.KeyTable, "x b.example:mail\n", "unloadable-line", "domain:selector:path"},
		{d.KeyTable, "x b.example:mail:MIIE\n", "unloadable-line", "the line before"},
	} {
		was := read(t, tc.path)
		write(t, tc.path, tc.line+was)
		each, whichever := s.Screen(t.Context(), []dkim.SigningKey{next})
		if whichever == nil {
			whichever = each["a.example"]
		}
		signertest.WantCode(t, whichever, tc.code, tc.word)
		signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), tc.code, tc.word)
		write(t, tc.path, was)
	}
	if got := d.SignsWith(t, "a.example", k...); got.Selector != "s2" {
		t.Errorf("signed with %+v", got)
	}
}

// TestAskedOnce: a switch asks the daemon for one signature of each domain, which is what it takes most of its time for;
// before it, only for those that dkimbot has not made it sign.
func TestAskedOnce(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, false)
	front, messages := counted(t, strings.TrimPrefix(d.Socket, "inet:"))
	s := newSigner(t, d, func(c *Config) { c.Milter = "inet:" + front })
	k := signertest.Keys(t, 2)
	at := func(selector string, key *dkim.PrivateKey) (out []dkim.SigningKey) {
		for _, domain := range []string{"a.example", "b.example", "c.example"} {
			out = append(out, signertest.At(domain, selector, key))
		}
		return out
	}
	activate(t, s, at("s1", k[0])...)
	before := 0
	s.step = func(operation string) error {
		if operation == "restart" {
			before = int(messages.Load())
		}
		return nil
	}
	first := int(messages.Load())
	activate(t, s, at("s2", k[1])...)
	if before != first || first < 6 {
		t.Errorf("%d messages were asked for before the restart", before-first)
	}
	foreign := signertest.At("d.example", "s1", k[0])
	activate(t, s, append(at("s1", k[0]), foreign)...)
	if n := before - first - 3; n != 1 {
		t.Errorf("%d messages were asked for before the restart for a new domain", n)
	}
}

// counted lets through what a milter is asked, and counts the messages.
func counted(t *testing.T, address string) (front string, messages *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	messages = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				to, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer to.Close()
				go func() { io.Copy(c, to); c.Close() }()
				const most = 1 << 20
				for head := make([]byte, 5); ; {
					if _, err := io.ReadFull(c, head); err != nil {
						return
					}
					if head[4] == 'E' { // the end of a message's body
						messages.Add(1)
					}
					rest := make([]byte, min(binary.BigEndian.Uint32(head)-1, most))
					if _, err := io.ReadFull(c, rest); err != nil {
						return
					}
					if _, err := to.Write(append(bytes.Clone(head), rest...)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), messages
}
