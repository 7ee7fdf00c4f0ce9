package verify_test

import (
	"slices"
	"testing"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// TestDNAME: a DNAME on the way to a record is named: below it no name can have a record of its own, so that a person who
// is to give one has to know of it. Guards I3.
func TestDNAME(t *testing.T) {
	start := map[string]func(testing.TB, ...ns.Zone) *ns.Server{"BIND": ns.StartBIND, "Knot": ns.StartKnot}
	for title, server := range start {
		s := server(t, ns.Zone{Name: "renamed.test", Records: "_domainkey DNAME _domainkey.keys.test.\n"},
			ns.Zone{Name: "one.test", Records: "s1._domainkey CNAME s1._domainkey.renamed.test.\ns2._domainkey CNAME " +
				"s1._domainkey.keys.test.\n"},
			ns.Zone{Name: "keys.test", Records: `s1._domainkey TXT "v=DKIM1; p=AAAA"` + "\n"})
		for _, c := range []struct{ domain, selector, want string }{
			{"renamed.test", "s1", "_domainkey.renamed.test"}, {"one.test", "s1", "_domainkey.renamed.test"},
			{"one.test", "s2", ""}, {"keys.test", "s1", ""},
		} {
			name := dkim.Name{Domain: c.domain, Selector: c.selector}
			got := look(t, newVerifier(t, verify.Config{Nameservers: []string{s.Addr}}), name)
			if got.DNAME != c.want || got.Owner != "s1._domainkey.keys.test" || !slices.Equal(got.Values, []string{"v=DKIM1; p=AAAA"}) {
				t.Errorf("%s, %s: %+v, want the DNAME %q", title, name, got, c.want)
			}
		}
	}
}
