package verify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

const value = "v=DKIM1; k=rsa; p="

// pair is two scripted name servers of example.test, which resolvers can find.
type pair struct {
	one, two *ns.Liar
	port     int
	resolver *resolver
}

func startPair(t testing.TB, one, two dns.HandlerFunc) pair {
	p := pair{port: ns.FreePort(t, ips...)}
	p.one, p.two = ns.StartLiar(t, ips[0], p.port, one), ns.StartLiar(t, ips[1], p.port, two)
	truth := ns.StartLiar(t, "", 0, serve(t, ""))
	p.resolver = startResolver(t, map[string]string{"example.test.": truth.Addr})
	return p
}

func (p pair) verifier(t testing.TB) *verify.Verifier {
	return newVerifier(t, verify.Config{Port: p.port, Resolvers: []string{p.resolver.Addr}, Timeout: 3 * time.Second})
}

func serve(t testing.TB, records string) dns.HandlerFunc {
	return ns.Serve(t, ns.Zone{Name: "example.test", Servers: ips, Records: records})
}

// Every way in which the second of two servers can differ is named, with the
// server and its address, and keeps the Sight from being complete. Guards I2.
func TestLaggingServerIsNamed(t *testing.T) {
	good := serve(t, txt("s1._domainkey", value))
	tests := map[string]struct {
		two    dns.HandlerFunc
		says   string
		values []string
	}{
		"no record": {two: serve(t, ""), says: "shows no record"},
		"another record": {two: serve(t, txt("s1._domainkey", "v=DKIM1; p=bad")), says: `shows "v=DKIM1; p=bad"`,
			values: []string{"v=DKIM1; k=rsa; p=", "v=DKIM1; p=bad"}},
		"two records": {two: serve(t, txt("s1._domainkey", value, "other")), says: `shows 2 records: "other", a revoked key`,
			values: []string{"other", value}},
		"cut otherwise": {two: serve(t,
			"s1._domainkey 300 TXT \"v=DKIM1; \" \"k=rsa; p=\"\ns1._domainkey 300 TXT \"v=DKIM1; k=rsa; p=\""),
			says: "shows 2 records: a revoked key, a revoked key", values: []string{value, value}},
		"SERVFAIL": {two: ns.Rcode(dns.RcodeServerFailure), says: "answers SERVFAIL"},
		"REFUSED":  {two: ns.Rcode(dns.RcodeRefused), says: "answers REFUSED"},
		"silent":   {two: ns.Silent(), says: "did not answer"},
		"slow":     {two: ns.Slow(30*time.Second, good), says: "did not answer"},
		"lame":     {two: unauthoritative(good), says: "is not authoritative for example.test"},
		"CNAME":    {two: serve(t, "s1._domainkey CNAME elsewhere.test."), says: "shows a CNAME to elsewhere.test"},
		"CNAME and TXT": {two: adding(good, "s1._domainkey.example.test. CNAME elsewhere.test."),
			says: "shows a CNAME beside TXT records, which RFC 2181 section 10.1 forbids"},
		"refers downward": {two: referring("_domainkey.example.test."),
			says: "refers to the child zone _domainkey.example.test"},
		"refers upward": {two: referring("test."), says: "is not authoritative for example.test"},
		"child zone": {two: ns.Serve(t, ns.Zone{Name: "_domainkey.example.test"}),
			says: "answers from the zone _domainkey.example.test, not example.test"},
		"TC and no TCP": {two: ns.DropTCP(ns.TruncateUDP(good)),
			says: "gives a truncated answer over UDP, and over TCP it did not answer"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, good, good)
			v := p.verifier(t)
			if s := look(t, v, s1); !s.Complete || len(s.Lagging) > 0 {
				t.Fatalf("before: %+v", s)
			}
			p.two.Set(tt.two)
			got := look(t, v, s1)
			want := verify.Sight{Zone: "example.test", Owner: s1.String(), Values: tt.values, TTL: 5 * time.Minute,
				Negative: time.Minute}
			// the others do answer, with something else
			want.Silent = slices.Contains([]string{"SERVFAIL", "REFUSED", "silent", "slow"}, name)
			if want.Values == nil {
				want.Values = []string{value}
			}
			if name == "CNAME" {
				want.TTL = time.Hour
			}
			// A tie between two things shown names both servers.
			told := "ns2.example.test (" + p.two.Addr + "): " + tt.says
			if !slices.Contains(got.Lagging, told) {
				t.Errorf("got %q, want %q", got.Lagging, told)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(verify.Sight{}, "Lagging", "Shown")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The answer is had all the same, though by TCP. The key is too long for a UDP answer of old.
func TestTCP(t *testing.T) {
	long := "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 736) // as long as 4096 bits make it
	good := serve(t, txt("s1._domainkey", long))
	tests := map[string]dns.HandlerFunc{
		"truncated":   ns.TruncateUDP(good),
		"UDP blocked": dropUDP(good),
		"garbage": func(w dns.ResponseWriter, m *dns.Msg) {
			if w.LocalAddr().Network() == "udp" {
				w.Write([]byte{byte(m.Id >> 8), byte(m.Id), 0x84, 0, 0, 1, 0, 9})
				return
			}
			good(w, m)
		},
		"forged": func(w dns.ResponseWriter, m *dns.Msg) { // answers to other questions are no answers
			for _, alter := range []func(*dns.Msg){
				func(r *dns.Msg) { r.Id++ },
				func(r *dns.Msg) { r.Question[0].Name = "s2._domainkey.example.test." },
				func(r *dns.Msg) { r.Response = false },
			} {
				r := new(dns.Msg).SetRcode(m.Copy(), dns.RcodeRefused)
				alter(r)
				w.WriteMsg(r)
			}
			good(w, m)
		},
	}
	for name, h := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := look(t, startPair(t, h, good).verifier(t), s1)
			if !s.Complete || !slices.Equal(s.Values, []string{long}) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What is on the wire is what comes out, whatever the octets.
func TestOctets(t *testing.T) {
	h := serve(t, `s1._domainkey TXT "a\"b\\c\009\255" "\\065; "`)
	s := look(t, startPair(t, h, h).verifier(t), s1)
	if want := "a\"b\\c\t\xff\\065; "; !slices.Equal(s.Values, []string{want}) {
		t.Errorf("got %q, want %q", s.Values, want)
	}
}

// When nobody answers, trying again can help, and everybody is named.
func TestNoAnswer(t *testing.T) {
	p := startPair(t, ns.Rcode(dns.RcodeRefused), ns.Silent())
	v := p.verifier(t)
	for range 2 {
		_, err := v.Look(t.Context(), s1)
		if fault.KindOf(err) != fault.Transient || fault.CodeOf(err) != "no-answer" || fault.HintOf(err) == "" ||
			!strings.Contains(err.Error(), "ns1.example.test ("+p.one.Addr+"): answers REFUSED") ||
			!strings.Contains(err.Error(), "ns2.example.test ("+p.two.Addr+"): did not answer") {
			t.Errorf("got %v", err)
		}
	}
	good := serve(t, txt("s1._domainkey", value))
	p.one.Set(good)
	p.two.Set(good)
	if s := look(t, v, s1); !s.Complete {
		t.Errorf("after the repair: %+v", s)
	}
	// The same once the zone is known already.
	p.one.Set(ns.Rcode(dns.RcodeServerFailure))
	p.two.Set(ns.Rcode(dns.RcodeServerFailure))
	if _, err := v.Look(t.Context(), s1); fault.CodeOf(err) != "no-answer" || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("got %v", err)
	} else {
		faulttest.Shown(t, err)
	}
}

// Ctrl-C does not wait for a time-out.
func TestCancel(t *testing.T) {
	silent := ns.Silent()
	for name, cfg := range map[string]verify.Config{
		"name servers": {Nameservers: []string{ns.StartLiar(t, "", 0, silent).Addr}},
		"resolvers":    {Resolvers: []string{ns.StartLiar(t, "", 0, silent).Addr}},
		"recursive":    {Resolvers: []string{ns.StartLiar(t, "", 0, silent).Addr}, Mode: verify.Resolvers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Timeout = time.Minute
			v := newVerifier(t, cfg)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			start := time.Now()
			_, err := v.Look(ctx, s1)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Transient {
				t.Errorf("got %v", err)
			}
		})
	}
}

func unauthoritative(next dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		next(altered{w, func(r *dns.Msg) { r.Authoritative = false }}, m)
	}
}

func adding(next dns.HandlerFunc, record string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		rr, err := dns.NewRR(record)
		if err != nil {
			panic(err)
		}
		next(altered{w, func(r *dns.Msg) { r.Answer = append(r.Answer, rr) }}, m)
	}
}

func referring(zone string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetReply(m)
		r.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60},
			Ns: "ns." + zone}}
		w.WriteMsg(r)
	}
}

func dropUDP(next dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		if w.LocalAddr().Network() != "udp" {
			next(w, m)
		}
	}
}

type altered struct {
	dns.ResponseWriter
	alter func(*dns.Msg)
}

func (a altered) WriteMsg(m *dns.Msg) error {
	a.alter(m)
	return a.ResponseWriter.WriteMsg(m)
}

// Who has no more time is told what was looked for. In mode both the resolvers come last.
func TestOutOfTime(t *testing.T) {
	silent := ns.StartLiar(t, "", 0, ns.Silent()).Addr
	p := startPair(t, serve(t, txt("s1._domainkey", value)), serve(t, txt("s1._domainkey", value)))
	for name, cfg := range map[string]verify.Config{
		"name servers": {Nameservers: []string{silent}, Zone: "example.test"},
		"resolvers":    {Resolvers: []string{silent}, Mode: verify.Resolvers},
		"way":          {Resolvers: []string{silent}},
		"both":         {Mode: verify.Both, Nameservers: []string{p.one.Addr, p.two.Addr}, Resolvers: []string{silent}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Timeout = time.Minute
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := newVerifier(t, cfg).Look(ctx, s1)
			faulttest.Shown(t, err)
		})
	}
}
