package shown_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// TestOf: a key's record counts as shown where a server shows it alone; beside another record it means nothing.
func TestOf(t *testing.T) {
	own, key := plantest.Record(plantest.Keys()[0]), plantest.KeyAt(0)
	for title, c := range map[string]struct {
		each map[string][]string
		want string
	}{
		"all show it":              {nil, own},
		"one shows it alone":       {map[string][]string{"ns1": {own}, "ns2": {own, "v=spf1 -all"}}, own},
		"each shows it beside one": {map[string][]string{"ns1": {own, "other"}, "ns2": {own, "v=spf1 -all"}}, ""},
	} {
		if got := shown.Of(rotate.Sight{Values: []string{own}, Shown: c.each}, key); got != c.want {
			t.Errorf("%s: %q", title, got)
		}
	}
}
