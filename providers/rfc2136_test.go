package providers

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/libdns/rfc2136"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/providertest"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

func updateConfig(s *nameservertest.Server) Config {
	return Config{Name: "office", Driver: "rfc2136", RFC2136: RFC2136{
		Server: s.Addr, KeyName: s.KeyName, KeyAlgorithm: s.KeyAlgorithm, Key: Secret(s.KeySecret)}}
}

func openUpdates(t testing.TB, cfg Config) *Provider {
	t.Helper()
	p, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.backoff = 10 * time.Millisecond // servers are real, so time is
	return p
}

// eachServer runs a test against BIND and Knot, with the rights that a rotator needs and no more.
func eachServer(t *testing.T, test func(t *testing.T, s *nameservertest.Server)) {
	o := nameservertest.Options{Narrow: true}
	z := nameservertest.Zone{Name: "example.test"}
	t.Run("BIND", func(t *testing.T) { test(t, o.StartBIND(t, z)) })
	t.Run("Knot", func(t *testing.T) { test(t, o.StartKnot(t, z)) })
}

// The module's errors for a wrong key and for an unknown zone are the same text
// with BIND. Without the questions of rfc2136_ask.go, no hint can tell which it is.
func TestUpdateFailuresAreToldApart(t *testing.T) {
	wrong := Secret(base64.StdEncoding.EncodeToString([]byte("this is not the secret of the key")))
	eachServer(t, func(t *testing.T, s *nameservertest.Server) {
		hints := map[string]string{}
		for name, tc := range map[string]struct {
			config func(*RFC2136)
			zone   string
			owner  string
			want   string // in the error
			hint   string
		}{
			"wrong secret":    {config: func(c *RFC2136) { c.Key = wrong }, want: "BADSIG", hint: "secret of key dkimbot."},
			"wrong name":      {config: func(c *RFC2136) { c.KeyName = "other" }, want: "BADKEY", hint: "no key of the name other."},
			"wrong algorithm": {config: func(c *RFC2136) { c.KeyAlgorithm = "hmac-sha512" }, want: "BADKEY", hint: "hmac-sha512"},
			"unknown zone":    {zone: "elsewhere.test", want: "not authoritative for zone elsewhere.test", hint: "primary of elsewhere.test"},
			"subdomain":       {zone: "sub.example.test", want: "not authoritative for zone sub.example.test", hint: "primary of sub.example.test"},
			"not allowed":     {owner: "www.example.test", want: "does not allow this update", hint: "grant dkimbot. wildcard *._domainkey.example.test TXT"},
		} {
			t.Run(name, func(t *testing.T) {
				cfg, r := updateConfig(s), rec
				if tc.config != nil {
					tc.config(&cfg.RFC2136)
				}
				if tc.zone != "" {
					r = record(tc.zone, "s1")
				}
				if tc.owner != "" {
					r.Owner = tc.owner
				}
				start := time.Now()
				err := openUpdates(t, cfg).Publish(t.Context(), r)
				faulttest.Shown(t, err)
				if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), tc.want) || !strings.Contains(fault.HintOf(err), tc.hint) {
					t.Errorf("kind %v, hint %q of %v", fault.KindOf(err), fault.HintOf(err), err)
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					if strings.Contains(e.Error(), s.KeySecret) || strings.Contains(e.Error(), string(wrong)) {
						t.Errorf("a secret shows in %q", e)
					}
				}
				if time.Since(start) > 5*time.Second {
					t.Error("tried again")
				}
				hints[fault.HintOf(err)] += name + " "
			})
		}
		if len(hints) != 6 {
			t.Errorf("some failures have one hint: %q", hints)
		}
	})
}

// A clock that is wrong, told by the server's BADTIME (RFC 8945 section 5.2.3).
func TestUpdateBadTime(t *testing.T) {
	l := nameservertest.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetRcode(m, dns.RcodeNotAuth)
		asked := m.IsTsig()
		r.Extra = append(r.Extra, &dns.TSIG{
			Hdr:       dns.RR_Header{Name: asked.Hdr.Name, Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
			Algorithm: asked.Algorithm, TimeSigned: asked.TimeSigned, Fudge: 300, OrigId: m.Id, Error: dns.RcodeBadTime,
			OtherLen: 6, OtherData: "00006b01e63a",
		})
		b, err := r.Pack()
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
	})
	err := openUpdates(t, liarConfig(l)).Publish(t.Context(), rec)
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Permanent || !strings.Contains(fault.HintOf(err), "clocks") {
		t.Errorf("hint %q of %v", fault.HintOf(err), err)
	}
}

func liarConfig(l *nameservertest.Liar) Config {
	return Config{Name: "office", Driver: "rfc2136", RFC2136: RFC2136{Server: l.Addr, KeyName: "dkimbot.", Key: "c2VjcmV0"}}
}

// The module makes an update signed with a key name in upper case, and reports
// an error, because the answer has the name in lower case. Without
// CanonicalName in openRFC2136, Publish fails.
func TestUpdateKeyNameInUpperCase(t *testing.T) {
	eachServer(t, func(t *testing.T, s *nameservertest.Server) {
		cfg := updateConfig(s)
		cfg.RFC2136.KeyName = "DkimBot"
		cfg.RFC2136.KeyAlgorithm = "HMAC-SHA256."
		if err := openUpdates(t, cfg).Publish(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		if got := s.Query(t, rec.Owner, "TXT"); len(got) != 1 || got[0] != rec.Value {
			t.Errorf("served %q", got)
		}
	})
}

// The module waits two seconds for an answer and can't be told otherwise. With a
// server that takes longer, every attempt fails though the update was made;
// without the question whether the record stands, Publish never succeeds.
func TestUpdateSlowServer(t *testing.T) {
	s := nameservertest.StartBIND(t, nameservertest.Zone{Name: "example.test"})
	slow := slowUpdates(t, s.Addr, 2500*time.Millisecond)

	bare := &rfc2136.Provider{Server: slow.addr, KeyName: s.KeyName, KeyAlg: s.KeyAlgorithm, Key: s.KeySecret}
	if _, err := bare.SetRecords(t.Context(), "example.test.", []libdns.Record{libdnsTXT(record("example.test", "bare"))}); err == nil {
		t.Error("the module waits for slow servers now")
	}

	cfg := updateConfig(s)
	cfg.RFC2136.Server = slow.addr
	before := slow.updates.Load()
	if err := openUpdates(t, cfg).Publish(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if got := s.Query(t, rec.Owner, "TXT"); len(got) != 1 || got[0] != rec.Value {
		t.Errorf("served %q", got)
	}
	if n := slow.updates.Load() - before; n != 1 {
		t.Errorf("%d updates for one record", n)
	}
}

// slowUpdates passes TCP on to a server and holds the answers to updates back.
type slowProxy struct {
	addr    string
	updates atomic.Int64
}

func slowUpdates(t testing.TB, server string, delay time.Duration) *slowProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &slowProxy{addr: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(client, server, delay)
		}
	}()
	return p
}

func (p *slowProxy) pass(client net.Conn, server string, delay time.Duration) {
	defer client.Close()
	var length [2]byte
	if _, err := io.ReadFull(client, length[:]); err != nil {
		return
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(client, msg); err != nil {
		return
	}
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer up.Close()
	up.Write(append(length[:], msg...))
	if opcode := msg[2] >> 3 & 0xf; opcode == dns.OpcodeUpdate {
		p.updates.Add(1)
		time.Sleep(delay)
	}
	io.Copy(client, up)
}

// What stands already is not sent again: a rotation that is repeated after a
// crash must not grow the serial and notify secondaries (I7).
func TestUpdateIsNotRepeated(t *testing.T) {
	eachServer(t, func(t *testing.T, s *nameservertest.Server) {
		p := openUpdates(t, updateConfig(s))
		r := rec
		r.Value = providertest.Record("a", 294)
		var serials []string
		for range 3 {
			if err := p.Publish(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			serials = append(serials, s.Query(t, "example.test", "SOA")...)
		}
		if serials[0] != serials[1] || serials[1] != serials[2] {
			t.Errorf("the SOA goes on: %q", serials)
		}
	})
}

// Once connected, the module does not look at ctx. A caller who cancels is
// answered at once all the same.
func TestUpdateCancelledOnceConnected(t *testing.T) {
	l := nameservertest.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
		if m.Opcode == dns.OpcodeQuery {
			nameservertest.Rcode(dns.RcodeRefused)(w, m)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	err := openUpdates(t, liarConfig(l)).Publish(ctx, rec)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("cancelled after 200ms, returned after %s", d)
	}
}

// Servers that can't or won't: each error is transient, names the server and
// comes when Total is over.
func TestUpdateServerInTrouble(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, tc := range map[string]struct {
		addr string
		want string
	}{
		"down":     {addr: closed.Addr().String(), want: "refused"},
		"silent":   {addr: nameservertest.StartLiar(t, "", 0, nameservertest.Silent()).Addr},
		"SERVFAIL": {addr: nameservertest.StartLiar(t, "", 0, nameservertest.Rcode(dns.RcodeServerFailure)).Addr, want: "SERVFAIL"},
	} {
		t.Run(name, func(t *testing.T) {
			p := openUpdates(t, Config{Name: "office", Driver: "rfc2136", Timeout: 10 * time.Second, Total: 500 * time.Millisecond,
				RFC2136: RFC2136{Server: tc.addr, KeyName: "dkimbot.", Key: "c2VjcmV0"}})
			start := time.Now()
			err := p.Publish(t.Context(), rec)
			if err == nil || fault.KindOf(err) != fault.Transient {
				t.Errorf("kind %v of %v", fault.KindOf(err), err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("gave up after %s", d)
			}
			if name == "silent" { // the module is still waiting, and may end first
				return
			}
			faulttest.Shown(t, err)
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(fault.HintOf(err), tc.addr) {
				t.Errorf("%v, hint %q; want %q, and %s in the hint", err, fault.HintOf(err), tc.want, tc.addr)
			}
		})
	}
}

// A server that answers updates only is no obstacle: the questions are a help.
func TestUpdateWithoutQueries(t *testing.T) {
	var updates atomic.Int64
	l := nameservertest.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
		if m.Opcode != dns.OpcodeUpdate {
			nameservertest.Rcode(dns.RcodeRefused)(w, m)
			return
		}
		updates.Add(1)
		w.WriteMsg(new(dns.Msg).SetReply(m))
	})
	if err := openUpdates(t, liarConfig(l)).Publish(t.Context(), rec); err != nil || updates.Load() != 1 {
		t.Errorf("%v after %d updates", err, updates.Load())
	}
}
