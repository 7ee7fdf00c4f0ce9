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

// TestMeantIsGone: of a key whose selector the domain has no more nothing is noted, and what was reported besides stays so.
// A report that refers to a key which is only to be destroyed yet is not one of the good key that signs (I5).
func TestMeantIsGone(t *testing.T) {
	s := plantest.Ready()
	report := order.Meant(s.Have, rotate.Compromised{})
	s.Have.Selectors["s1"].Key = plantest.KeyAt(3)
	s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: "other", Version: 1, Leaked: true}}
	st, _, err := ordered(s, report)
	if err != nil || !st.Selectors["s1"].Retired[0].Leaked || st.Leaked("s1") {
		t.Errorf("%v: %+v", err, st.Selectors["s1"])
	}
	s.Have.Selectors["s1"].Key = nil
	if keys := order.Meant(s.Have, rotate.Compromised{Selectors: []string{"s1", "s2"}}).Keys; len(keys) != 1 || keys["s2"] == "" {
		t.Errorf("%v are meant", keys)
	}
	delete(s.Have.Selectors, "s1")
	if _, events, err := ordered(s, report); err != nil || len(events) != 1 || events[0].Code != codes.GoneAlready {
		t.Errorf("%v, %v", events, err)
	}
	s = plantest.Replaced()
	s.Have.Selectors[s.Have.Draining].Retired[0].Leaked = true
	st, events, err := ordered(s, order.Meant(s.Have, rotate.Compromised{}))
	if err != nil || st.Leaked(s.Have.Active) || len(events) != 1 || events[0].Selector != s.Have.Draining {
		t.Errorf("%v, %v; %s is compromised: %t", events, err, s.Have.Active, st.Leaked(s.Have.Active))
	}
}

// TestEveryKey: a report of every key is of those at both selectors, and of those that are left of selectors that the
// domain had before. What has no key is not named (I5).
func TestEveryKey(t *testing.T) {
	left := func(s *scene) {
		key := *plantest.KeyAt(3)
		s.Have.Earlier = rotate.Earlier{"old": {Key: &key, Retired: []rotate.Retired{{KeyID: key.ID, Version: 1}}}, "gone": {}}
	}
	for title, c := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		want   []string
	}{
		"both":                  {plantest.Ready, func(*scene) {}, []string{"s1", "s2"}},
		"one has none yet":      {plantest.Ready, func(s *scene) { s.Have.Selectors["s2"].Key = nil }, []string{"s1"}},
		"there was another one": {plantest.Ready, left, []string{"s1", "s2", "old"}},
	} {
		s := c.scene()
		c.change(s)
		st, events, err := ordered(s, rotate.Compromised{EveryKey: true})
		if err != nil {
			t.Errorf("%s: %v", title, err)
		}
		for _, name := range []string{"s1", "s2", "old", "gone"} {
			sel := rotate.SelectorAt(st, name)
			leaked := sel != nil && sel.Key != nil && !sel.Key.Leaked.IsZero()
			if leaked != slices.Contains(c.want, name) {
				t.Errorf("%s: %s is compromised: %t; %v", title, name, leaked, events)
			}
		}
		if report := order.Meant(s.Have, rotate.Compromised{EveryKey: true}); !slices.Equal(report.Selectors, c.want) ||
			len(report.Keys) != len(c.want) {
			t.Errorf("%s: %v are meant, with %v", title, report.Selectors, report.Keys)
		}
	}
}
