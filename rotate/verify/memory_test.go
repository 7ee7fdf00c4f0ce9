package verify_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// clock is set by hand.
type clock struct{ atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(c.Load(), 0) }

// What is known of zones and servers is not asked again for a while; what stands
// at a name always is.
func TestMemory(t *testing.T) {
	good := serve(t, txt("s1._domainkey", value)+txt("s2._domainkey", value))
	p := startPair(t, good, good)
	var c clock
	v := newVerifier(t, verify.Config{Port: p.port, Resolvers: []string{p.resolver.Addr}, Now: c.now,
		Remember: time.Minute})
	cost := func(name dkim.Name) (atResolver, atServers int) {
		r, s := p.resolver.Queries(), p.one.Queries()+p.two.Queries()
		look(t, v, name)
		return p.resolver.Queries() - r, p.one.Queries() + p.two.Queries() - s
	}
	s2 := dkim.Name{Domain: "example.test", Selector: "s2"}
	deep := dkim.Name{Domain: "mail.example.test", Selector: "s1"}
	steps := []struct {
		what        string
		name        dkim.Name
		wait        int64
		recur, most int // questions to the resolver, at most to the servers
	}{
		{"first", s1, 0, 7, 6}, // SOA, NS, two A, two AAAA, DS; the place, the record, a name beside it
		{"again", s1, 59, 0, 2},
		{"the other selector", s2, 0, 0, 4},
		{"a subdomain in the same zone", deep, 0, 1, 4},
		{"forgotten", s1, 1, 7, 6},
	}
	spare := 0 // a question whose answer nobody waited for may arrive in the next step
	for _, s := range steps {
		c.Add(s.wait)
		r, n := cost(s.name)
		if spare += s.most - n; r != s.recur || spare < 0 {
			t.Errorf("%s: %d questions to the resolver, want %d; %d to the servers, want at most %d", s.what, r,
				s.recur, n, spare+n)
		}
	}
}

// Many who want the same at the same time ask once.
func TestSharedDiscovery(t *testing.T) {
	good := serve(t, txt("s1._domainkey", value))
	p := startPair(t, good, good)
	slow := ns.StartLiar(t, "", 0, ns.Slow(100*time.Millisecond, p.resolver.ServeDNS))
	v := newVerifier(t, verify.Config{Port: p.port, Resolvers: []string{slow.Addr}, Timeout: 10 * time.Second})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if s, err := v.Look(t.Context(), s1); err != nil || !s.Complete {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	wg.Wait()
	if n := slow.Queries(); n != 7 {
		t.Errorf("the resolver got %d questions", n)
	}
}

// Servers that have moved are found at the next look, not when the memory runs out.
func TestServersMove(t *testing.T) {
	good := serve(t, txt("s1._domainkey", value))
	p := startPair(t, good, good)
	v := p.verifier(t)
	look(t, v, s1)
	p.two.Set(ns.Rcode(5))
	if s := look(t, v, s1); s.Complete {
		t.Errorf("%+v", s)
	}
	before := p.resolver.Queries()
	look(t, v, s1)
	if p.resolver.Queries() == before {
		t.Error("the name servers were not looked for again")
	}
}

// A zone cut that is made between two looks is noticed at the first and followed at the second.
func TestCutIsMade(t *testing.T) {
	good := serve(t, txt("s1._domainkey", value))
	p := startPair(t, good, good)
	v := p.verifier(t)
	look(t, v, s1)
	p.one.Set(referring("_domainkey.example.test."))
	p.two.Set(referring("_domainkey.example.test."))
	for _, says := range []string{"refers to the child zone _domainkey.example.test",
		"none of the name servers of _domainkey.example.test"} {
		if _, err := v.Look(t.Context(), s1); fault.KindOf(err) != fault.Transient ||
			!strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("got %v, want %q", err, says)
		} else {
			faulttest.Shown(t, err)
		}
	}
}

// BenchmarkLook asks one local server, for new domains and for a known one.
func BenchmarkLook(b *testing.B) {
	_, rec := record(b, dkim.RSA2048)
	server := ns.StartLiar(b, "", 0,
		ns.Serve(b, ns.Zone{Name: "test", Servers: []string{"127.0.0.1"}, Records: txt("s1._domainkey.example", rec)}))
	for _, remembered := range []bool{false, true} {
		b.Run(fmt.Sprintf("remembered=%v", remembered), func(b *testing.B) {
			v := newVerifier(b, verify.Config{Nameservers: []string{server.Addr}, Timeout: 10 * time.Second})
			var n atomic.Int64
			b.SetParallelism(32)
			before := server.Queries()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					name := dkim.Name{Domain: "example.test", Selector: "s1"}
					if !remembered {
						name.Domain = fmt.Sprintf("d%d.test", n.Add(1))
					}
					if s, err := v.Look(b.Context(), name); err != nil || !s.Complete {
						b.Errorf("%+v, %v", s, err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "looks/s")
			b.ReportMetric(float64(server.Queries()-before)/float64(b.N), "questions/look")
		})
	}
}
