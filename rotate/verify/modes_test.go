package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

const other = "v=DKIM1; p=other"

// stale is a resolver's view from before a change.
func stale(t testing.TB, records string) *resolver {
	before := ns.StartLiar(t, "", 0,
		ns.Serve(t, ns.Zone{Name: "example.test", TTL: time.Minute, Minimum: 10 * time.Minute, Records: records}))
	return startResolver(t, map[string]string{"example.test.": before.Addr})
}

func TestModeResolvers(t *testing.T) {
	have, lack := stale(t, txt("s1._domainkey", value)+"out._domainkey CNAME k\n"+txt("k", value)), stale(t, "")
	old := stale(t, txt("s1._domainkey", other))
	dead := ns.StartLiar(t, "", 0, ns.Silent())
	base := verify.Sight{Zone: "example.test", Owner: "s1._domainkey.example.test", Negative: 10 * time.Minute}
	tests := []struct {
		name      string
		resolvers []string
		selector  string
		want      func(*verify.Sight)
	}{
		{"all agree", []string{have.Addr, have.Addr}, "s1",
			func(s *verify.Sight) { s.Values, s.TTL, s.Complete = []string{value}, 5*time.Minute, true }},
		{"one lacks it", []string{have.Addr, lack.Addr}, "s1", func(s *verify.Sight) {
			s.Values, s.TTL, s.Lagging = []string{value}, 5*time.Minute,
				[]string{"resolver (" + lack.Addr + "): shows no record"}
		}},
		{"one is stale", []string{have.Addr, old.Addr, have.Addr}, "s1", func(s *verify.Sight) {
			s.Values, s.TTL, s.Lagging = []string{value, other}, 5*time.Minute,
				[]string{"resolver (" + old.Addr + `): shows "v=DKIM1; p=other"`}
		}},
		{"one is dead", []string{dead.Addr, have.Addr}, "s1", func(s *verify.Sight) {
			s.Silent, s.Values, s.TTL, s.Lagging = true, []string{value}, 5*time.Minute,
				[]string{"resolver (" + dead.Addr + "): did not answer"}
		}},
		{"nothing there", []string{have.Addr}, "s2",
			func(s *verify.Sight) { s.Owner, s.Complete = "s2._domainkey.example.test", true }},
		{"CNAME", []string{have.Addr}, "out", func(s *verify.Sight) {
			s.Owner, s.Values, s.TTL, s.Complete = "k.example.test", []string{value}, 5*time.Minute, true
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := base
			tt.want(&want)
			v := newVerifier(t, verify.Config{Mode: verify.Resolvers, Resolvers: tt.resolvers, Timeout: 3 * time.Second})
			if diff := cmp.Diff(want, look(t, v, dkim.Name{Domain: "example.test", Selector: tt.selector}), unshown); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("all are dead", func(t *testing.T) {
		v := newVerifier(t, verify.Config{Mode: verify.Resolvers, Resolvers: []string{dead.Addr},
			Timeout: 100 * time.Millisecond})
		if _, err := v.Look(t.Context(), s1); fault.KindOf(err) != fault.Transient ||
			!strings.Contains(fmt.Sprint(err), dead.Addr) {
			t.Errorf("got %v", err)
		} else {
			faulttest.Shown(t, err)
		}
	})
	t.Run("CNAMEs go in circles", func(t *testing.T) {
		loop := ns.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
			r := new(dns.Msg).SetReply(m)
			rr, _ := dns.NewRR("s1._domainkey.example.test. CNAME s1._domainkey.example.test.")
			r.Answer = []dns.RR{rr}
			w.WriteMsg(r)
		})
		v := newVerifier(t, verify.Config{Mode: verify.Resolvers, Resolvers: []string{loop.Addr}})
		if _, err := v.Look(t.Context(), s1); err == nil || !strings.Contains(err.Error(), "CNAMEs that do not end") {
			t.Errorf("got %v", err)
		}
	})
}

// Resolvers are asked only once every name server shows the record.
func TestModeBoth(t *testing.T) {
	p := startPair(t, serve(t, ""), serve(t, ""))
	have, old := stale(t, txt("s1._domainkey", value)), stale(t, txt("s1._domainkey", other))
	look1 := func(resolvers ...string) verify.Sight {
		v := newVerifier(t, verify.Config{Mode: verify.Both, Nameservers: []string{p.one.Addr, p.two.Addr},
			Resolvers: resolvers, Timeout: 3 * time.Second})
		return look(t, v, s1)
	}
	if s := look1(have.Addr); !s.Complete || len(s.Values) > 0 {
		t.Errorf("not published: %+v", s)
	}
	p.one.Set(serve(t, txt("s1._domainkey", value)))
	if s := look1(have.Addr); s.Complete {
		t.Errorf("half published: %+v", s)
	}
	if q := slices.DeleteFunc(have.questions(), func(q string) bool { return q == "example.test. DS" }); len(q) > 0 {
		t.Errorf("a resolver was asked too early: %q", q)
	}
	p.two.Set(serve(t, txt("s1._domainkey", value)))
	if s := look1(have.Addr); !s.Complete || len(s.Lagging) > 0 {
		t.Errorf("published: %+v", s)
	}
	p.one.Set(serve(t, "s1._domainkey CNAME k\n"+txt("k", value)))
	p.two.Set(serve(t, "s1._domainkey CNAME k\n"+txt("k", value)))
	if s := look1(stale(t, "s1._domainkey CNAME k\n"+txt("k", value)).Addr); !s.Complete || s.Owner != "k.example.test" {
		t.Errorf("published behind a CNAME: %+v", s)
	}
	s := look1(have.Addr, old.Addr)
	if want := []string{"resolver (" + old.Addr + `): shows "v=DKIM1; p=other"`}; s.Complete ||
		!slices.Equal(s.Lagging, want) || !slices.Equal(s.Values, []string{value}) {
		t.Errorf("one resolver is stale: %+v", s)
	}
}

// unshown leaves out what each server shows; see TestShown.
var unshown = cmpopts.IgnoreFields(verify.Sight{}, "Shown")

func TestModeNone(t *testing.T) {
	v := newVerifier(t, verify.Config{Mode: verify.None, Zone: "example.test"})
	want := verify.Sight{Zone: "example.test", Owner: s1.String(), Complete: true, Unchecked: true}
	if diff := cmp.Diff(want, look(t, v, s1)); diff != "" {
		t.Error(diff)
	}
}

// TestModeNoneFindsZone: without a zone in the configuration it is looked up, since nothing, not
// even a revocation, can be published without one; and when it can't be, the hint leads out.
func TestModeNoneFindsZone(t *testing.T) {
	server := startPair(t, serve(t, ""), serve(t, "")).one
	v := newVerifier(t, verify.Config{Mode: verify.None, Nameservers: []string{server.Addr}})
	want := verify.Sight{Zone: "example.test", Owner: s1.String(), Complete: true, Unchecked: true}
	if diff := cmp.Diff(want, look(t, v, s1)); diff != "" {
		t.Error(diff)
	}
	dead := ns.StartLiar(t, "", 0, ns.Silent())
	v = newVerifier(t, verify.Config{Mode: verify.None, Resolvers: []string{dead.Addr}, Timeout: 100 * time.Millisecond})
	_, err := v.Look(t.Context(), s1)
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Transient || !strings.Contains(fault.HintOf(err), "zone into the configuration") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
}

func TestBadConfig(t *testing.T) {
	for says, cfg := range map[string]verify.Config{
		`mode "all"`:                {Mode: "all"},
		`resolver "ns.example.com"`: {Resolvers: []string{"ns.example.com"}},
		`resolver "`:                {Resolvers: []string{""}},
		`name server "a..b"`:        {Nameservers: []string{"a..b"}},
		`"ns1:99999"`:               {Nameservers: []string{"ns1:99999"}},
		`"ns1:0"`:                   {Nameservers: []string{"ns1:0"}},
		`zone: "-x"`:                {Zone: "-x"},
		`port 70000`:                {Port: 70000},
		`port -1`:                   {Port: -1},
	} {
		_, err := verify.New(cfg)
		faulttest.Shown(t, err)
		if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), says) ||
			fault.HintOf(err) == "" {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	for _, good := range []string{"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53", "ns1.example.com",
		"ns1.example.com:53", "ns1.example.com."} {
		if _, err := verify.New(verify.Config{Nameservers: []string{good}}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	if _, err := newVerifier(t, verify.Config{}).Look(t.Context(),
		dkim.Name{Domain: "Example.test", Selector: "s1"}); fault.KindOf(err) != fault.Permanent {
		t.Errorf("a name out of form: %v", err)
	} else {
		faulttest.Shown(t, err)
	}
}
