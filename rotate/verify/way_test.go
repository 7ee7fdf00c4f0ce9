package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// The way from a selector's name to the zone that holds its record, on real
// servers: CNAMEs within a zone and across, zone cuts that are delegated
// elsewhere and such that the same server serves.
func TestWay(t *testing.T) {
	port := ns.FreePort(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	at := func(ip string) ns.Options { return ns.Options{IPs: []string{ip}, Port: port} }
	rec := func(sel string) string { return txt(sel, value) }

	first := at("127.0.0.1").StartBIND(t,
		ns.Zone{Name: "example.test", Minimum: 10 * time.Second, Records: rec("s1._domainkey") +
			"in._domainkey 900 CNAME k.keys\n" + rec("k.keys") +
			"out._domainkey 60 CNAME example.k1.provider.test.\n" +
			"deep._domainkey CNAME s9._domainkey.cut.test.\n" +
			"www CNAME host.provider.test.\n" + rec("s1._domainkey.www") +
			"far._domainkey CNAME hop._domainkey\nhop._domainkey CNAME example.k1.provider.test.\n" +
			"loop._domainkey CNAME loop2._domainkey\nloop2._domainkey CNAME loop._domainkey\n" +
			"self._domainkey CNAME self._domainkey\n" +
			"off._domainkey CNAME k.nowhere.invalid.\n" +
			"gone._domainkey CNAME nothing.k1.provider.test.\n" +
			"sub NS ns.cut\nns.cut A 127.0.0.2\n" + chain(9)},
		ns.Zone{Name: "cut.test", Records: "_domainkey NS ns.keys\nns.keys A 127.0.0.2\n"},
		ns.Zone{Name: "bare.test", Records: "s1._domainkey NS ns.example.org.\n_x NS x.provider.test.\n"},
	)
	second := at("127.0.0.2").StartKnot(t,
		ns.Zone{Name: "_domainkey.cut.test", Minimum: 30 * time.Second, Records: rec("s1") + rec("s9") + "s8 CNAME s9\n"},
		ns.Zone{Name: "sub.example.test", Records: rec("s1._domainkey")},
		ns.Zone{Name: "same.test", Records: "_domainkey NS ns1\n"},
		ns.Zone{Name: "_domainkey.same.test", Minimum: 20 * time.Second, Records: rec("s1")},
		ns.Zone{Name: "s1._domainkey.glue.test", Minimum: 50 * time.Second, Records: txt("@", value)},
	)
	third := at("127.0.0.3").StartKnot(t,
		ns.Zone{Name: "glue.test", Records: "s1._domainkey NS ns1.s1._domainkey\nns1.s1._domainkey A 127.0.0.2\n"},
		ns.Zone{Name: "provider.test", Minimum: 40 * time.Second, Records: rec("example.k1")},
	)
	r := startResolver(t, map[string]string{
		"example.test.": first.Addr, "same.test.": second.Addr, "glue.test.": third.Addr, "cut.test.": first.Addr,
		"bare.test.":        first.Addr,
		"sub.example.test.": second.Addr, "provider.test.": third.Addr,
	})
	v := newVerifier(t, verify.Config{Port: port, Resolvers: []string{r.Addr}, Timeout: 10 * time.Second})

	type want struct {
		zone, owner   string
		ttl, negative int
		empty         bool
		code, says    string
		astray        bool // every server leads nowhere
	}
	tests := []struct {
		selector, domain string
		want
	}{
		{"s1", "example.test", want{zone: "example.test", owner: "s1._domainkey.example.test", ttl: 300, negative: 10}},
		{"in", "example.test", want{zone: "example.test", owner: "k.keys.example.test", ttl: 900, negative: 10}},
		{"out", "example.test", want{zone: "provider.test", owner: "example.k1.provider.test", ttl: 300, negative: 40}},
		{"far", "example.test", want{zone: "provider.test", owner: "example.k1.provider.test", ttl: 3600, negative: 40}},
		{"deep", "example.test", want{zone: "_domainkey.cut.test", owner: "s9._domainkey.cut.test", ttl: 3600, negative: 30}},
		{"gone", "example.test", want{zone: "provider.test", owner: "nothing.k1.provider.test", ttl: 3600,
			negative: 40, empty: true}},
		{"s1", "sub.example.test", want{zone: "sub.example.test", owner: "s1._domainkey.sub.example.test", ttl: 300,
			negative: 60}},
		{"s1", "mail.example.test", want{zone: "example.test", owner: "s1._domainkey.mail.example.test",
			negative: 10, empty: true}},
		{"s1", "www.example.test", want{zone: "example.test", owner: "s1._domainkey.www.example.test", ttl: 300,
			negative: 10}},
		{"s1", "same.test", want{zone: "_domainkey.same.test", owner: "s1._domainkey.same.test", ttl: 300, negative: 20}},
		{"s2", "same.test", want{zone: "_domainkey.same.test", owner: "s2._domainkey.same.test", negative: 20, empty: true}},
		{"s1", "cut.test", want{zone: "_domainkey.cut.test", owner: "s1._domainkey.cut.test", ttl: 300, negative: 30}},
		{"s8", "cut.test", want{zone: "_domainkey.cut.test", owner: "s9._domainkey.cut.test", ttl: 3600, negative: 30}},
		{"s1", "glue.test", want{zone: "s1._domainkey.glue.test", owner: "s1._domainkey.glue.test", ttl: 300, negative: 50}},
		{"loop", "example.test", want{code: "cname-loop",
			says: "loop._domainkey.example.test -> loop2._domainkey.example.test -> loop._domainkey.example.test", astray: true, ttl: 3600, negative: 10}},
		{"self", "example.test", want{code: "cname-loop", says: "in circles", astray: true, ttl: 3600, negative: 10}},
		{"off", "example.test", want{code: "no-zone", says: "an alias (CNAME) of k.nowhere.invalid", astray: true, ttl: 3600, negative: 10}},
		{"c0", "example.test", want{code: "cname-loop", says: "more than 8 CNAMEs"}},
		{"c1", "example.test", want{zone: "example.test", owner: "c9._domainkey.example.test", ttl: 3600, negative: 10}},
		{"s1", "bare.test", want{code: "no-answer", says: "ns.example.org: has no address in DNS"}},
		{"s1", "nowhere.invalid", want{code: "no-zone", says: "no such zone"}},
	}
	for _, tt := range tests {
		t.Run(tt.selector+"."+tt.domain, func(t *testing.T) {
			got, err := v.Look(t.Context(), dkim.Name{Domain: tt.domain, Selector: tt.selector})
			if tt.code != "" {
				faulttest.Shown(t, err)
				if string(fault.CodeOf(err)) != tt.code || !strings.Contains(fmt.Sprint(err), tt.says) {
					t.Errorf("got %+v, %v", got, err)
				}
				w := verify.Sight{Complete: tt.astray, TTL: time.Duration(tt.ttl) * time.Second,
					Negative: time.Duration(tt.negative) * time.Second}
				if diff := cmp.Diff(w, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w := verify.Sight{Zone: tt.zone, Owner: tt.owner, Complete: true,
				TTL: time.Duration(tt.ttl) * time.Second, Negative: time.Duration(tt.negative) * time.Second}
			if !tt.empty {
				w.Values = []string{value}
			}
			if diff := cmp.Diff(w, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	// The promise of the package documentation: no selector's name, no name
	// below _domainkey and no CNAME's target is asked of a resolver.
	for _, q := range r.questions() {
		if strings.Contains(q, "_domainkey.") || strings.Contains(q, "example.k1.") || strings.Contains(q, "nothing.k1.") ||
			strings.HasPrefix(q, "k.keys.") {
			t.Errorf("a resolver was asked for %s", q)
		}
	}
}

// A name server that does not know a zone cut, which another one follows, is
// told: receivers who ask it find nothing. Guards I2.
func TestOneServerDoesNotKnowTheCut(t *testing.T) {
	port := ns.FreePort(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	child := ns.Options{IPs: []string{"127.0.0.3"}, Port: port}.StartKnot(t,
		ns.Zone{Name: "_domainkey.example.test", Records: txt("s1", value)})
	zone := ns.Zone{Name: "example.test", Servers: ips, Records: "_domainkey NS ns.keys\nns.keys A 127.0.0.3\n"}
	knows := ns.Options{IPs: ips[:1], Port: port}.StartBIND(t, zone)
	zone.Records = ""
	ignorant := ns.Options{IPs: ips[1:], Port: port}.StartKnot(t, zone)
	r := startResolver(t, map[string]string{"example.test.": knows.Addr})
	v := newVerifier(t, verify.Config{Port: port, Resolvers: []string{r.Addr}})
	var s verify.Sight
	for range 50 { // the ignorant server's word is as good if it comes first
		if s = look(t, v, s1); s.Complete {
			t.Fatalf("%+v", s)
		}
		if s.Zone == "_domainkey.example.test" {
			break
		}
		v = newVerifier(t, verify.Config{Port: port, Resolvers: []string{r.Addr}})
	}
	want := []string{"ns2.example.test (" + ignorant.Addr + "): does not know the child zone _domainkey.example.test"}
	if !slices.Equal(s.Values, []string{value}) || !slices.Equal(s.Lagging, want) {
		t.Errorf("%+v; the child is at %s", s, child.Addr)
	}
}

// chain is c0 -> c1 -> ... -> cN, which holds a record.
func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "c%d._domainkey CNAME c%d._domainkey\n", i, i+1)
	}
	return b.String() + txt(fmt.Sprintf("c%d._domainkey", n), value)
}

// A zone that was set by hand is held against the truth.
func TestConfiguredZone(t *testing.T) {
	knot := ns.StartKnot(t, // BIND's check-names forbids the name server's address below _domainkey
		ns.Zone{Name: "example.test", Records: txt("s1._domainkey", value) +
			"_domainkey.sub NS ns1\naway NS ns.away\nns.away A 127.0.0.9\n"},
		ns.Zone{Name: "_domainkey.sub.example.test", Records: txt("s1", value)})
	r := startResolver(t, map[string]string{"example.test.": knot.Addr})
	byResolver := verify.Config{Port: knot.Port, Resolvers: []string{r.Addr}}
	byServer := verify.Config{Nameservers: []string{knot.Addr}}
	type expect struct{ zone, domain, code, says string }
	for _, tt := range []expect{
		{"example.test", "example.test", "", ""},
		{"EXAMPLE.test.", "mail.example.test", "", ""},
		{"example.test", "example.org", "wrong-zone", "does not lie in the configured zone"},
		{"example.test", "sub.example.test", "child-zone", "it lies in the child zone _domainkey.sub.example.test"},
		{"mail.example.test", "mail.example.test", "", "mail.example.test"},
	} {
		for name, cfg := range map[string]verify.Config{"resolver": byResolver, "name server": byServer} {
			t.Run(tt.zone+" "+tt.domain+" by "+name, func(t *testing.T) {
				cfg.Zone = tt.zone
				s, err := newVerifier(t, cfg).Look(t.Context(), dkim.Name{Domain: tt.domain, Selector: "s1"})
				switch {
				case tt.says == "":
					if err != nil || s.Zone != "example.test" || !s.Complete {
						t.Errorf("got %+v, %v", s, err)
					}
				case tt.code == "": // by resolver it has no name servers; by server another zone answers
					faulttest.Shown(t, err)
					if c := fault.CodeOf(err); c != "no-zone" && c != "wrong-zone" {
						t.Errorf("got %+v, %v", s, err)
					}
				case string(fault.CodeOf(err)) != tt.code || !strings.Contains(err.Error(), tt.says) || fault.HintOf(err) == "":
					t.Errorf("got %+v, %v", s, err)
				default:
					faulttest.Shown(t, err)
				}
				if want := fault.Refused; tt.code == "child-zone" && fault.KindOf(err) != want {
					t.Errorf("kind is %v", fault.KindOf(err))
				}
			})
		}
	}
	t.Run("delegated away", func(t *testing.T) {
		_, err := newVerifier(t, byServer).Look(t.Context(), dkim.Name{Domain: "away.example.test", Selector: "s1"})
		faulttest.Shown(t, err)
		if fault.CodeOf(err) != "child-zone" ||
			!strings.Contains(err.Error(), "refers to the child zone away.example.test") || fault.HintOf(err) == "" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("InZone", func(t *testing.T) {
		v, err := newVerifier(t, byServer).InZone("example.test")
		if err != nil {
			t.Fatal(err)
		}
		look(t, v, s1)
		if _, err := v.Look(t.Context(),
			dkim.Name{Domain: "sub.example.test", Selector: "s1"}); fault.CodeOf(err) != "child-zone" {
			t.Errorf("got %v", err)
		} else {
			faulttest.Shown(t, err)
		}
		if _, err := v.InZone("a..b"); err == nil {
			t.Error("a bad zone is taken")
		}
	})
}

// Split horizon: the configured servers are asked and nobody else, no resolver either.
func TestConfiguredNameservers(t *testing.T) {
	hidden := ns.Options{IPs: []string{"127.0.0.1"}}.StartBIND(t,
		ns.Zone{Name: "example.test", Records: txt("s1._domainkey", value) + "out._domainkey CNAME k.provider.test.\n"})
	provider := ns.StartBIND(t, ns.Zone{Name: "provider.test", Records: txt("k", value)})
	public := startResolver(t, nil)
	for _, server := range []string{hidden.Addr, fmt.Sprint("localhost:", hidden.Port)} {
		s := look(t, newVerifier(t, verify.Config{Nameservers: []string{server}, Resolvers: []string{public.Addr}}), s1)
		if s.Zone != "example.test" || !s.Complete || !slices.Equal(s.Values, []string{value}) {
			t.Errorf("%s: %+v", server, s)
		}
	}
	if q := slices.DeleteFunc(public.questions(), func(q string) bool { return q == "example.test. DS" }); len(q) != 0 {
		t.Errorf("the resolver was asked %q", q)
	}
	t.Run("CNAME leads away", func(t *testing.T) {
		r := startResolver(t, map[string]string{"provider.test.": provider.Addr})
		v := newVerifier(t, verify.Config{Nameservers: []string{hidden.Addr}, Resolvers: []string{r.Addr},
			Port: provider.Port})
		s := look(t, v, dkim.Name{Domain: "example.test", Selector: "out"})
		if s.Zone != "provider.test" || !s.Complete || !slices.Equal(s.Values, []string{value}) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("not served", func(t *testing.T) {
		_, err := newVerifier(t, verify.Config{Nameservers: []string{hidden.Addr}}).Look(t.Context(),
			dkim.Name{Domain: "example.org", Selector: "s1"})
		faulttest.Shown(t, err)
		if fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "REFUSED") {
			t.Errorf("got %v", err)
		}
	})
}
