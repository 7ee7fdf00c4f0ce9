package verify_test

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// TestParentOfConfiguredNameservers: also where the name servers are set by hand, a zone counts as signed as its
// parent says, which the same server holds or resolvers know; that it was not heard is told. Guards I2: nobody
// signs with a record that validating receivers reject, and no private zone is refused.
func TestParentOfConfiguredNameservers(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	ours := txt("s1._domainkey", value)
	signed, other := sign(t, ours, "now-3600", "now+864000"), sign(t, ours, "now-3600", "now+864000")
	file, plain := ns.Zone{Name: "example.test", File: signed.file}, ns.Zone{Name: "example.test", Records: ours}
	right, wrong := signed.ksk.ToDS(dns.SHA256), other.ksk.ToDS(dns.SHA256)
	weak, weakWrong, strongWrong := signed.ksk.ToDS(dns.SHA1), other.ksk.ToDS(dns.SHA1), other.ksk.ToDS(dns.SHA384)
	dss := func(ds ...*dns.DS) []*dns.DS { return ds }
	for name, tc := range map[string]struct {
		zone         ns.Zone
		ds           []*dns.DS // at the parent
		view         *ns.Zone  // what resolvers show, if it is another
		bogus, chain string
	}{
		"right":                        {file, dss(right), nil, "", ""},
		"mismatch":                     {file, dss(wrong), nil, "to which the parent's DS record leads", ""},
		"no signatures":                {plain, dss(right), nil, "shows its keys (DNSKEY)", ""},
		"SHA-1 alone":                  {file, dss(weak), nil, "", ""},
		"SHA-1 wrong beside SHA-256":   {file, dss(weakWrong, right), nil, "", ""},
		"SHA-1 beside SHA-256 wrong":   {file, dss(weak, wrong), nil, "to which the parent's DS record leads", ""},
		"SHA-256 beside SHA-384 wrong": {file, dss(right, strongWrong), nil, "to which the parent's DS record leads", ""},
		"no DS":                        {file, nil, nil, "", ""},
		"neither DS nor signatures":    {plain, nil, nil, "", ""},
		"another view, signed further": {plain, dss(right), &file, "", "do not show the keys"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := ns.Zone{Name: "test", Records: "example NS ns1.example\nns1.example A 127.0.0.1"}
			for _, ds := range tc.ds {
				parent.Records += "\n" + ds.String()
			}
			check := func(how string, cfg verify.Config, bogus, chain string) {
				t.Helper()
				got := look(t, newVerifier(t, cfg), s1)
				if got.Complete != (bogus == "") || !strings.Contains(strings.Join(got.Bogus, ""), bogus) ||
					!strings.Contains(got.Chain, chain) || (got.Chain != "") != (chain != "") {
					t.Errorf("%s: %+v", how, got)
				}
			}
			above := ns.StartBIND(t, parent)
			below := ns.StartBIND(t, tc.zone)
			view := below
			if tc.view != nil {
				view = ns.StartBIND(t, *tc.view)
			} else {
				both := ns.StartBIND(t, parent, tc.zone)
				check("one server has both", verify.Config{Nameservers: []string{both.Addr}}, tc.bogus, "")
			}
			resolver := ns.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
				at := view.Addr
				if m.Question[0].Qtype == dns.TypeDS {
					at = above.Addr
				}
				w.WriteMsg(resolve(map[string]string{"test.": at}, m))
			})
			asked := verify.Config{Nameservers: []string{below.Addr}, Resolvers: []string{resolver.Addr}}
			check("resolvers know it", asked, tc.bogus, tc.chain)
			silence := ""
			if tc.zone.File != "" {
				silence = "did not answer"
			}
			check("not heard", verify.Config{Nameservers: []string{below.Addr}}, "", silence)
		})
	}
}
