package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

var ips = []string{"127.0.0.1", "127.0.0.2"}

// BIND and Knot, found by SOA and NS through a resolver, as in the field. Guards
// I2 (seen on every server) and the promise that no resolver is asked for the name.
func TestRealServers(t *testing.T) {
	port := ns.FreePort(t, ips...)
	zone := ns.Zone{Name: "example.test", TTL: 2 * time.Hour, Minimum: 90 * time.Second, Servers: ips}
	bind := ns.Options{IPs: ips[:1], Port: port}.StartBIND(t, zone)
	knot := ns.Options{IPs: ips[1:], Port: port}.StartKnot(t, zone)
	r := startResolver(t, map[string]string{"example.test.": bind.Addr})
	v := newVerifier(t, verify.Config{Port: port, Resolvers: []string{r.Addr}})
	_, old := record(t, dkim.RSA2048)
	_, fresh := record(t, dkim.RSA2048)
	oldID, freshID := keyID(t, old), keyID(t, fresh)
	both := func(do func(*ns.Server)) { do(bind); do(knot) }
	add := func(values ...string) func(*ns.Server) {
		return func(s *ns.Server) {
			for _, v := range values {
				s.Add(t, txt("s1._domainkey.example.test.", v))
			}
		}
	}
	remove := func(s *ns.Server) { s.Remove(t, "s1._domainkey.example.test", "TXT") }
	at := func(i int) string {
		return []string{"ns1.example.test (" + bind.Addr + ")", "ns2.example.test (" + knot.Addr + ")"}[i]
	}

	steps := []struct {
		name string
		do   func()
		want verify.Sight
	}{
		{"NXDOMAIN", func() {}, verify.Sight{Complete: true}},
		{"NODATA", func() { both(func(s *ns.Server) { s.Add(t, "s1._domainkey.example.test. 60 HINFO a b") }) },
			verify.Sight{Complete: true}},
		{"one server has it", func() { add(old)(bind) },
			verify.Sight{Values: []string{old}, TTL: 5 * time.Minute, Lagging: []string{at(1) + ": shows no record"}}},
		{"both have it", func() { add(old)(knot) },
			verify.Sight{Values: []string{old}, TTL: 5 * time.Minute, Complete: true}},
		{"one is behind", func() { remove(bind); add(fresh)(bind) },
			verify.Sight{Values: sorted(old, fresh), TTL: 5 * time.Minute,
				Lagging: []string{at(0) + ": shows key " + freshID, at(1) + ": shows key " + oldID}}},
		{"two records", func() { add(old)(bind); add(fresh)(knot) },
			verify.Sight{Values: sorted(old, fresh), TTL: 5 * time.Minute, Complete: true}},
		{"one server stopped", func() { both(remove); add(fresh)(bind); knot.Stop() },
			verify.Sight{Values: []string{fresh}, TTL: 5 * time.Minute, Silent: true,
				Lagging: []string{at(1) + ": did not answer (connect: connection refused)"}}},
	}
	for _, s := range steps {
		s.do()
		s.want.Zone, s.want.Owner, s.want.Negative = "example.test", "s1._domainkey.example.test", 90*time.Second
		if diff := cmp.Diff(s.want, look(t, v, s1), cmpopts.EquateEmpty(), unshown); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.name, diff)
		}
	}
	for _, q := range r.questions() {
		if strings.Contains(q, "_domainkey") {
			t.Errorf("a resolver was asked for %s", q)
		}
	}
}
