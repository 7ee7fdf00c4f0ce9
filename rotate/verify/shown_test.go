package verify_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestShown: where servers differ, a Sight says what each one that answers shows, by the name that Lagging gives it. One
// that lacks an alias lacks the record behind it. Where all agree nothing is said.
func TestShown(t *testing.T) {
	aliased := "s1._domainkey CNAME k\n" + txt("k", value)
	for title, c := range map[string]struct {
		one, two string
		want     [2][]string
	}{
		"all agree":       {txt("s1._domainkey", value), txt("s1._domainkey", value), [2][]string{}},
		"one lacks it":    {txt("s1._domainkey", value), "", [2][]string{{value}, {}}},
		"another record":  {txt("s1._domainkey", value), txt("s1._domainkey", "v=DKIM1; p=other"), [2][]string{{value}, {"v=DKIM1; p=other"}}},
		"lacks the alias": {aliased, txt("k", value), [2][]string{{value}, {}}},
	} {
		t.Run(title, func(t *testing.T) {
			p := startPair(t, serve(t, c.one), serve(t, c.two))
			want := map[string][]string{}
			if c.want[0] != nil {
				want["ns1.example.test ("+p.one.Addr+")"], want["ns2.example.test ("+p.two.Addr+")"] = c.want[0], c.want[1]
			}
			if diff := cmp.Diff(want, look(t, p.verifier(t), s1).Shown, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
