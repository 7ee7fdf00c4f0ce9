package order_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestWhichKey: while a switch is not in effect yet, so that mail may be signed with either key, a report that names no
// selector is refused: it would be of the one that has just come, and signers would go back to the one that may be known
// to others (I5).
func TestWhichKey(t *testing.T) {
	pending := func(s *scene) { s.Have.SwitchedAt = s.Now.Add(time.Minute) }
	then := func(all ...func(*scene)) func(*scene) {
		return func(s *scene) {
			for _, change := range all {
				change(s)
			}
		}
	}
	for title, c := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		report rotate.Compromised
		want   codes.Code
	}{
		"the switch is not in effect yet": {plantest.Draining, pending, rotate.Compromised{}, codes.WhichKey},
		"now, not in effect yet":          {plantest.Draining, pending, rotate.Compromised{RevokeNow: true}, codes.WhichKey},
		"it is":                           {plantest.Draining, func(*scene) {}, rotate.Compromised{}, ""},
		"just now":                        {plantest.Draining, func(s *scene) { s.Have.SwitchedAt = s.Now }, rotate.Compromised{}, ""},
		"named":                           {plantest.Draining, pending, rotate.Compromised{Selectors: []string{"s1"}}, ""},
		"every key":                       {plantest.Draining, pending, rotate.Compromised{EveryKey: true}, ""},
		"the old one was reported": {plantest.Draining, then(pending, plantest.Leak("s1")), rotate.Compromised{},
			""},
		"the one that came was": {plantest.Draining, then(pending, plantest.Leak("s2")), rotate.Compromised{}, ""},
		"the old one is gone": {plantest.Draining, then(pending, func(s *scene) {
			s.Have.Selectors["s1"].Key = nil
			s.Show("s1")
			s.Hold("s1", "", 0)
		}), rotate.Compromised{}, ""},
		"the one that came is gone": {plantest.Draining, then(pending, func(s *scene) {
			s.Have.Selectors["s2"].Key = nil
			s.Show("s2")
			s.Hold("s2", "", 0)
		}), rotate.Compromised{}, codes.NoKeyYet},
		"some are yet to come": {plantest.Switching, pending, rotate.Compromised{}, ""},
	} {
		s := c.scene()
		c.change(s)
		_, _, err := ordered(s, c.report)
		if fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", title, err, c.want)
		}
		if title == "the switch is not in effect yet" {
			faulttest.Shown(t, err)
		}
	}
}
