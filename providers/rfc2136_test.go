package providers

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/providertest"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

func updateConfig(s *nameservertest.Server) Config {
	return Config{Name: "office", Account: &RFC2136{
		Server: s.Addr, KeyName: s.KeyName, KeyAlgorithm: s.KeyAlgorithm, Key: settings.Inline(s.KeySecret)}}
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
// with BIND. Without the questions of rfc2136_ask.go, no hint can say which it is.
func TestUpdateFailuresDiffer(t *testing.T) {
	wrongText := base64.StdEncoding.EncodeToString([]byte("this is not the secret of the key"))
	wrong := settings.Inline(wrongText)
	eachServer(t, func(t *testing.T, s *nameservertest.Server) {
		hints := map[string]string{}
		for name, tc := range map[string]struct {
			config func(*RFC2136)
			zone   string
			owner  string
			want   string // in the error
			hint   string
		}{
			"wrong secret": {config: func(c *RFC2136) { c.Key = wrong }, want: "BADSIG", hint: "secret of key dkimbot."},
			"wrong name": {config: func(c *RFC2136) { c.KeyName = "other" }, want: "BADKEY",
				hint: "no key of the name other."},
			"wrong algorithm": {config: func(c *RFC2136) { c.KeyAlgorithm = "hmac-sha512" }, want: "BADKEY",
				hint: "hmac-sha512"},
			"unknown zone": {zone: "elsewhere.test", want: "not authoritative for zone elsewhere.test",
				hint: "primary of elsewhere.test"},
			"subdomain": {zone: "sub.example.test", want: "not authoritative for zone sub.example.test",
				hint: "primary of sub.example.test"},
			"not allowed": {owner: "www.example.test", want: "does not allow this update",
				hint: "grant dkimbot. name www.example.test TXT"},
		} {
			t.Run(name, func(t *testing.T) {
				cfg, r := updateConfig(s), rec
				if tc.config != nil {
					tc.config(cfg.Account.(*RFC2136))
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
				if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), tc.want) ||
					!strings.Contains(fault.HintOf(err), tc.hint) {
					t.Errorf("kind %v, hint %q of %v", fault.KindOf(err), fault.HintOf(err), err)
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					if strings.Contains(e.Error(), s.KeySecret) || strings.Contains(e.Error(), wrongText) {
						t.Errorf("a secret shows in %q", e)
					}
				}
				if time.Since(start) > 30*time.Second {
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
	return Config{Name: "office", Account: &RFC2136{Server: l.Addr, KeyName: "dkimbot.", KeyAlgorithm: "hmac-sha256",
		Key: settings.Inline("c2VjcmV0")}}
}

// The module makes an update signed with a key name in upper case, and reports
// an error, because the answer has the name in lower case. Without
// CanonicalName in Open, Publish fails.
func TestUpdateKeyNameInUpperCase(t *testing.T) {
	eachServer(t, func(t *testing.T, s *nameservertest.Server) {
		cfg := updateConfig(s)
		cfg.Account.(*RFC2136).KeyName = "DkimBot"
		if err := openUpdates(t, cfg).Publish(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		if got := s.Query(t, rec.Owner, "TXT"); len(got) != 1 || got[0] != rec.Value {
			t.Errorf("served %q", got)
		}
	})
}

// A server that takes longer than two seconds for an update is waited for, and gets one
// update for one record.
func TestUpdateSlowServer(t *testing.T) {
	s := nameservertest.StartBIND(t, nameservertest.Zone{Name: "example.test"})
	slow := slowUpdates(t, s.Addr, 2500*time.Millisecond)

	cfg := updateConfig(s)
	cfg.Account.(*RFC2136).Server = slow.addr
	if err := openUpdates(t, cfg).Publish(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if got := s.Query(t, rec.Owner, "TXT"); len(got) != 1 || got[0] != rec.Value {
		t.Errorf("served %q", got)
	}
	if n := slow.updates.Load(); n != 1 {
		t.Errorf("%d updates for one record", n)
	}
}

// slowUpdates passes TCP on to a server and holds the answers to updates back.
type slowProxy struct {
	addr    string
	updates atomic.Int64
	before  func() // may be nil: called before an update is passed on
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
	update := msg[2]>>3&0xf == dns.OpcodeUpdate
	if update && p.before != nil {
		p.before()
	}
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer up.Close()
	up.Write(append(length[:], msg...))
	if update {
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
			t.Errorf("the SOA continues: %q", serials)
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
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("cancelled after 200ms, returned after %s", d)
	}
}

// Servers that can't or won't: each error is transient, names the server and
// comes when Total is over.
func TestUpdateServerInTrouble(t *testing.T) {
	closed := fmt.Sprint("127.0.0.1:", nameservertest.FreePort(t)) // which nobody else is given meanwhile
	for name, tc := range map[string]struct {
		addr string
		want string
	}{
		"down":   {addr: closed, want: "refused"},
		"silent": {addr: nameservertest.StartLiar(t, "", 0, nameservertest.Silent()).Addr},
		"SERVFAIL": {addr: nameservertest.StartLiar(t, "", 0, nameservertest.Rcode(dns.RcodeServerFailure)).Addr,
			want: "SERVFAIL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openUpdates(t, Config{Name: "office", Limits: Limits{Timeout: 10 * time.Second}, Total: 5 * time.Second,
				Account: &RFC2136{Server: tc.addr, KeyName: "dkimbot.", KeyAlgorithm: "hmac-sha256",
					Key: settings.Inline("c2VjcmV0")}})
			start := time.Now()
			err := p.Publish(t.Context(), rec)
			if err == nil || fault.KindOf(err) != fault.Transient {
				t.Errorf("kind %v of %v", fault.KindOf(err), err)
			}
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("gave up after %s", d)
			}
			if name == "silent" { // the module is still waiting, and may end first
				return
			}
			faulttest.Shown(t, err)
			if !strings.Contains(fmt.Sprint(err), tc.want) || !strings.Contains(fault.HintOf(err), tc.addr) {
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
		w.WriteMsg(nameservertest.Signed(new(dns.Msg).SetReply(m), m))
	})
	if err := openUpdates(t, liarConfig(l)).Publish(t.Context(), rec); err != nil || updates.Load() != 1 {
		t.Errorf("%v after %d updates", err, updates.Load())
	}
}

// Answers that the key did not sign are believed in nothing, whatever they say: neither that
// the record stands, nor that it was taken.
func TestUpdateUnsignedAnswers(t *testing.T) {
	signed := func(rcode int) dns.HandlerFunc {
		return func(w dns.ResponseWriter, m *dns.Msg) {
			w.WriteMsg(nameservertest.Signed(new(dns.Msg).SetRcode(m, rcode), m))
		}
	}
	wrongly := func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetReply(m)
		r.SetTsig("dkimbot.", dns.HmacSHA256, 300, time.Now().Unix())
		b, _, err := dns.TsigGenerate(r, "YW5vdGhlcg==", m.IsTsig().MAC, false)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
	}
	stands := func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetReply(m)
		r.Authoritative = true
		r.Answer = []dns.RR{textRecord(rec, rec.Value)}
		w.WriteMsg(r)
	}
	for name, tc := range map[string]struct{ query, update dns.HandlerFunc }{
		"update not signed":        {signed(dns.RcodeNameError), nameservertest.Rcode(dns.RcodeSuccess)},
		"update signed by another": {signed(dns.RcodeNameError), wrongly},
		"nothing signed":           {nameservertest.Rcode(dns.RcodeSuccess), nameservertest.Rcode(dns.RcodeSuccess)},
		"record said to stand":     {stands, nameservertest.Rcode(dns.RcodeSuccess)},
		"record said by another":   {wrongly, wrongly},
		"prerequisites unsigned":   {signed(dns.RcodeNameError), nameservertest.Rcode(dns.RcodeYXRrset)},
		"name server in front":     {nameservertest.Rcode(dns.RcodeRefused), nameservertest.Rcode(dns.RcodeNotImplemented)},
	} {
		t.Run(name, func(t *testing.T) {
			l := nameservertest.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
				if m.Opcode == dns.OpcodeUpdate {
					tc.update(w, m)
					return
				}
				tc.query(w, m)
			})
			p := openUpdates(t, liarConfig(l))
			p.backoff, p.total = time.Hour, time.Minute // one attempt, with all the time that a busy machine needs
			r := rec
			r.Replaces = func(string) bool { return true }
			err := p.Publish(t.Context(), r)
			if err == nil || !strings.Contains(err.Error(), "is not trusted") {
				t.Errorf("%v; want an error that says that the answer is not trusted", err)
			}
			faulttest.Shown(t, err)
		})
	}
}

// A server that says of every prerequisite that it does not hold, though nothing stands at
// the name: something else writes there, and nothing is overwritten (I6).
func TestUpdateWrittenMeanwhile(t *testing.T) {
	l := nameservertest.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetRcode(m, dns.RcodeNameError)
		if r.Authoritative = true; m.Opcode == dns.OpcodeUpdate {
			r.Rcode = dns.RcodeYXRrset
		}
		w.WriteMsg(nameservertest.Signed(r, m))
	})
	p := openUpdates(t, liarConfig(l))
	p.backoff, p.total = time.Hour, time.Minute // one attempt, with all the time that a busy machine needs
	err := p.Publish(t.Context(), rec)
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("kind %v of %v", fault.KindOf(err), err)
	}
}

// A wildcard shows something at every name, and nothing stands there (RFC 4592): a record is
// published beside it, under a wildcard TXT with a value of somebody's, with rec's very own, and under a CNAME.
func TestUpdateUnderWildcards(t *testing.T) {
	for name, data := range map[string]string{
		"TXT": `TXT "v=DKIM1; p="`, "its own value": `TXT "` + rec.Value + `"`, "CNAME": "CNAME elsewhere.example.org.",
	} {
		t.Run(name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, s *nameservertest.Server) {
				s.Add(t, "*._domainkey.example.test. 3600 IN "+data)
				r := rec
				r.Replaces = func(string) bool { return false }
				p := openUpdates(t, updateConfig(s))
				for range 2 {
					if err := p.Publish(t.Context(), r); err != nil {
						t.Fatal(err)
					}
				}
				s.Remove(t, "*._domainkey.example.test", strings.Fields(data)[0])
				if got := s.Query(t, rec.Owner, "TXT"); len(got) != 1 || got[0] != rec.Value {
					t.Errorf("without the wildcard, %q is served", got)
				}
			})
		})
	}
}

// What appears after the last look and before the server carries the update out is not
// overwritten: the server compares (RFC 2136 section 2.4). Guards I6.
func TestUpdateComparesAndSets(t *testing.T) {
	const theirs = "v=DKIM1; n=theirs; p=AAAA"
	ours := rec
	ours.Value = "v=DKIM1; k=rsa; p="
	for name, tc := range map[string]struct {
		first bool   // a record of ours stands there
		data  string // appears
		code  string
	}{
		"nothing stood there":         {false, `TXT "` + theirs + `"`, "foreign-record"},
		"in place of ours":            {true, `TXT "` + theirs + `"`, "foreign-record"},
		"a CNAME where nothing stood": {false, "CNAME elsewhere.example.org.", "cname"},
	} {
		t.Run(name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, s *nameservertest.Server) {
				if tc.first {
					s.Add(t, rec.Owner+`. 60 IN TXT "`+ours.Value+`"`)
				}
				proxy := slowUpdates(t, s.Addr, 0)
				proxy.before = func() {
					s.Remove(t, rec.Owner, "TXT")
					s.Add(t, rec.Owner+". 60 IN "+tc.data)
				}
				cfg, r := updateConfig(s), rec
				cfg.Account.(*RFC2136).Server = proxy.addr
				r.Replaces = func(v string) bool { return v == ours.Value }
				err := openUpdates(t, cfg).Publish(t.Context(), r)
				faulttest.Shown(t, err)
				if string(fault.CodeOf(err)) != tc.code || fault.KindOf(err) != fault.Refused {
					t.Errorf("kind %v, code %q of %v", fault.KindOf(err), fault.CodeOf(err), err)
				}
				if got := s.Query(t, rec.Owner, "TXT"); strings.HasPrefix(tc.data, "TXT") && (len(got) != 1 || got[0] != theirs) {
					t.Errorf("served %q", got)
				}
			})
		})
	}
}

// TestUnknownCodes: a code that no standard has is reported by its number.
func TestUnknownCodes(t *testing.T) {
	for text, err := range map[string]error{
		"key k.: code 4099":      &tsigError{code: 4099, key: tsigKey{name: "k."}},
		"server answers code 15": &rcodeError{15},
		"server answers REFUSED": &rcodeError{dns.RcodeRefused},
		"(code 14) is not trus":  &unsignedError{answer: &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: 14}}},
	} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q; want %q in it", err, text)
		}
	}
}
