package health_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestTwin: a selector whose name leads to where the other one's record stands is refused for that. Where a record of
// somebody else's stands there, it is neither's, and where both lead to one that is its own, nothing is strange there (I6).
func TestTwin(t *testing.T) {
	both := func(owner string, values ...string) func(*scene) {
		return func(s *scene) {
			for _, name := range []string{"s1", "s2"} {
				s.Show(name, values...)
				seen := s.Seen.Selectors[name]
				seen.Sight.Owner = owner
				s.Seen.Selectors[name] = seen
			}
		}
	}
	const place = "keys.example.net"
	for title, c := range map[string]struct {
		change func(*scene)
		twin   bool
	}{
		"s2's name leads to s1's record": {both("s1._domainkey.example.com", plantest.Record(plantest.Keys()[0])), true},
		"somebody else's stands there":   {both(place, plantest.ForeignRecord), false},
		"each has a place of its own":    {func(*scene) {}, false},
	} {
		s := plantest.Ready()
		c.change(s)
		if err := judge(s).Twin("s2"); (err != nil) != c.twin {
			t.Errorf("%s: %v", title, err)
		}
		if err := judge(s).Twin("s1"); err != nil {
			t.Errorf("%s, of s1: %v", title, err)
		}
	}
}
