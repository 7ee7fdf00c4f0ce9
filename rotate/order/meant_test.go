package order_test

import (
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestMeantKey: a report of a compromised key that is written after another process has finished with the domain is of
// the key that signed when the report was given, and not of the good one to which signers went meanwhile (I2).
func TestMeantKey(t *testing.T) {
	id := func(n int) string { return plantest.Keys()[n].ID() }
	replaced := func(s *scene) { // s1's key 0, by key 3
		*s = *plantest.Ready()
		s.Have.Selectors["s1"].Key = plantest.KeyAt(3)
		s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: id(0), Version: 1}}
	}
	for title, c := range map[string]struct {
		scene     func() *scene
		selectors []string
		change    func(*scene)
		leaked    []string // selectors whose key is noted
		gone      bool     // the key is only to be destroyed
	}{
		"nothing happened": {plantest.Ready, nil, func(*scene) {}, []string{"s1"}, false},
		"signers were switched": {plantest.Switching, nil, func(s *scene) { *s = *plantest.Draining() }, []string{"s1"},
			false},
		"they were, and it is named": {plantest.Switching, []string{"s1"}, func(s *scene) { *s = *plantest.Draining() },
			[]string{"s1"}, false},
		"it was replaced":               {plantest.Ready, nil, replaced, nil, true},
		"it was replaced, and is named": {plantest.Ready, []string{"s1"}, replaced, nil, true},
		"one of two was replaced":       {plantest.Ready, []string{"s1", "s2"}, replaced, []string{"s2"}, true},
		"nothing is known of it":        {plantest.New, nil, func(s *scene) { *s = *plantest.Ready() }, []string{"s1"}, false},
	} {
		s := c.scene()
		report := order.Meant(s.Have, rotate.Compromised{Selectors: c.selectors})
		c.change(s)
		st, events, err := ordered(s, report)
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		for _, name := range []string{"s1", "s2"} {
			if st.Leaked(name) != slices.Contains(c.leaked, name) {
				t.Errorf("%s: %s is compromised: %t", title, name, st.Leaked(name))
			}
		}
		said := slices.ContainsFunc(events, func(e rotate.Event) bool { return e.Code == codes.GoneAlready && e.KeyID == id(0) })
		noted := slices.Contains(st.Selectors["s1"].Retired, rotate.Retired{KeyID: id(0), Version: 1, Leaked: true})
		if said != c.gone || noted != c.gone {
			t.Errorf("%s: said to be gone %t, noted for its destruction %t: %v", title, said, noted, events)
		}
	}
}
