package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestFreshKeyLost: a keystore that came back from a backup may lack the fresh key that was stored last. Another one is
// made, whether its record was published or not; also where signers are to flee to it, since else they stay with a
// compromised key for good.
func TestFreshKeyLost(t *testing.T) {
	leak := func(s *scene) {
		s.Have.Selectors["s2"].Key.Leaked = s.Now
		s.Hold("s1", "", 1)
	}
	for name, c := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		want   []string
	}{
		"stored": {plantest.Stored,
			func(s *scene) { s.Hold("s1", "", 1) }, []string{"generate s1", "store s1", "publish s1"}},
		"published": {plantest.Published,
			func(s *scene) { s.Hold("s1", "", 1) }, []string{"generate s1", "store s1", "publish s1"}},
		"to flee to": {plantest.Published,
			leak, []string{"generate s1", "store s1", "publish s1"}},
		"to flee to, and the old one is kept": {plantest.Stored, leak, []string{"activate s1/mx1", "revoke s2"}},
		"stored again, and a crash": {plantest.Published, func(s *scene) {
			s.Have.Selectors["s1"].Tried = []string{"tried"}
			s.Hold("s1", "tried", 2)
		}, []string{"store s1", "publish s1"}},
	} {
		s := c.scene()
		c.change(s)
		steps := plantest.Steps(s.Plan(), s.Now)
		for _, step := range c.want {
			if !strings.Contains(steps, step) {
				t.Errorf("%s: %s; want %s", name, steps, step)
			}
		}
	}
	s := plantest.Stored()
	s.Hold("s1", "", 1)
	s.Hold("s2", "", 1)
	if p := s.Plan(); p.Stop == nil || strings.Contains(plantest.Steps(p, s.Now), "generate") {
		t.Errorf("all are lost: %s", plantest.Steps(p, s.Now))
	}
}
