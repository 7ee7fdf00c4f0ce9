package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// TestWildcards: what a wildcard shows at a selector's name does not stand there
// (RFC 4592), and what stands there is seen beside any wildcard. Guards I6, which must
// stop nobody for a record that is not there, and I2: what resolvers may keep is told.
func TestWildcards(t *testing.T) {
	_, ours := record(t, dkim.RSA2048)
	const revoked = "v=DKIM1; p="
	for name, tc := range map[string]struct {
		zone     string
		values   []string
		wildcard []string
		owner    string // s1's own when empty
		ttl      time.Duration
	}{
		"revoked key":  {zone: txt("*._domainkey", revoked), wildcard: []string{revoked}, ttl: 5 * time.Minute},
		"a usable key": {zone: txt("*._domainkey", ours), wildcard: []string{ours}, ttl: 5 * time.Minute},
		"two records": {zone: txt("*._domainkey", "a", "b"), wildcard: []string{"a", "b"},
			ttl: 5 * time.Minute},
		"SPF for all names": {zone: txt("*", "v=spf1 -all"), wildcard: []string{"v=spf1 -all"},
			ttl: 5 * time.Minute},
		"CNAME": {zone: "*._domainkey 600 CNAME x.example.org.\n",
			wildcard: []string{verify.WildcardCNAME + "x.example.org"}, ttl: 10 * time.Minute},
		"CNAME into the zone": {zone: "*._domainkey 600 CNAME keys\n" + txt("keys", ours),
			wildcard: []string{verify.WildcardCNAME + "keys.example.test"}, ttl: 10 * time.Minute},
		"at the end of a CNAME": {zone: "s1._domainkey 60 CNAME s1.keys\n" + txt("*.keys", revoked),
			wildcard: []string{revoked}, owner: "s1.keys.example.test", ttl: 5 * time.Minute},
		"a record beside it": {zone: txt("*._domainkey", revoked) + txt("s1._domainkey", ours),
			values: []string{ours}, ttl: 5 * time.Minute},
		"a record that equals it": {zone: txt("*._domainkey", ours) + txt("s1._domainkey", ours), values: []string{ours},
			ttl: 5 * time.Minute},
		"a CNAME that equals it": {zone: "*._domainkey 60 CNAME keys\ns1._domainkey 60 CNAME keys\n" + txt("keys", ours),
			values: []string{ours}, owner: "keys.example.test", ttl: 5 * time.Minute},
		"names below the selector": {zone: txt("*", revoked) + txt("a.s1._domainkey", "x")},
		"a wildcard below the name": {zone: txt("s1._domainkey", ours) + txt("*.s1._domainkey", ours),
			values: []string{ours}, ttl: 5 * time.Minute},
		"a wildcard of another type": {zone: "*._domainkey 60 HINFO a b\n"},
	} {
		t.Run(name, func(t *testing.T) {
			z := ns.Zone{Name: "example.test", Records: tc.zone}
			for _, s := range []*ns.Server{ns.StartBIND(t, z), ns.StartKnot(t, z)} {
				v := newVerifier(t, verify.Config{Nameservers: []string{s.Addr}})
				got, err := v.Look(t.Context(), s1)
				if err != nil {
					t.Fatal(err)
				}
				owner := tc.owner
				if owner == "" {
					owner = s1.String()
				}
				if !got.Complete || !slices.Equal(got.Values, tc.values) || !slices.Equal(got.Wildcard, tc.wildcard) ||
					got.Owner != owner || got.TTL != tc.ttl {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// TestWildcardAndLaggingServer: a server that does not have the record yet shows a
// wildcard's answer, and counts as one that shows no record; one that answers nothing but
// the name itself does not make a record of it.
func TestWildcardAndLaggingServer(t *testing.T) {
	_, ours := record(t, dkim.RSA2048)
	port := ns.FreePort(t, ips...)
	wild := txt("*._domainkey", "v=DKIM1; p=")
	zone := func(records string) ns.Zone { return ns.Zone{Name: "example.test", Servers: ips, Records: records} }
	ahead := ns.Options{IPs: ips[:1], Port: port}.StartBIND(t, zone(wild+txt("s1._domainkey", ours)))
	behind := ns.Options{IPs: ips[1:], Port: port}.StartKnot(t, zone(wild))
	v := newVerifier(t, verify.Config{Nameservers: []string{ahead.Addr, behind.Addr}})
	got := look(t, v, s1)
	if got.Complete || !slices.Equal(got.Values, []string{ours}) || len(got.Wildcard) != 1 || len(got.Lagging) != 1 {
		t.Errorf("%+v", got)
	}
	behind.Add(t, txt("s1._domainkey.example.test.", ours))
	if got = look(t, v, s1); !got.Complete || !slices.Equal(got.Values, []string{ours}) {
		t.Errorf("%+v", got)
	}
}

// TestServerThatAnswersEverything: nothing stands anywhere at a server that gives one
// answer to all questions.
func TestServerThatAnswersEverything(t *testing.T) {
	soa := ns.Serve(t, ns.Zone{Name: "example.test"})
	l := ns.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
		if m.Question[0].Qtype != dns.TypeTXT {
			soa(w, m)
			return
		}
		r := new(dns.Msg).SetReply(m)
		r.Authoritative = true
		rr, _ := dns.NewRR(m.Question[0].Name + ` 60 TXT "parked"`)
		r.Answer = []dns.RR{rr}
		w.WriteMsg(r)
	})
	got := look(t, newVerifier(t, verify.Config{Nameservers: []string{l.Addr}}), s1)
	if len(got.Values) > 0 || !slices.Equal(got.Wildcard, []string{"parked"}) {
		t.Errorf("%+v", got)
	}
}

// TestWildcardThroughResolvers: the same through a resolver, which may continue showing the
// wildcard's answer when a record stands there.
func TestWildcardThroughResolvers(t *testing.T) {
	s := ns.StartBIND(t, ns.Zone{Name: "example.test", Records: txt("*._domainkey", "v=DKIM1; p=")})
	r := startResolver(t, map[string]string{"example.test.": s.Addr})
	v := newVerifier(t, verify.Config{Mode: verify.Resolvers, Resolvers: []string{r.Addr}})
	if got := look(t, v, s1); len(got.Values) > 0 || len(got.Wildcard) != 1 || !got.Complete {
		t.Errorf("%+v", got)
	}
	_, ours := record(t, dkim.RSA2048)
	s.Add(t, txt("s1._domainkey.example.test.", ours))
	if got := look(t, v, s1); !slices.Equal(got.Values, []string{ours}) || !got.Complete {
		t.Errorf("%+v", got)
	}
	for _, q := range r.questions() {
		if strings.Contains(q, "dkimbot-") && strings.Contains(q, "s1._domainkey") {
			t.Errorf("a resolver was asked for a name below the selector's: %s", q)
		}
	}
}
