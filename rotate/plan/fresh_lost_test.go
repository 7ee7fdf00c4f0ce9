package plan_test

import (
	"strings"
	"testing"
	"time"

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

// TestStandbyLostInEmergency: where the active key is compromised and the keystore has lost the standby's, the standby
// gets a fresh one to flee to, also when a signer strays to what dkimbot does not know: it can't be brought back to the
// compromised key, and signers would stay with that for good (I2). A signer that may use the standby's is waited for.
func TestStandbyLostInEmergency(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene)
		want   bool
	}{
		"all signers are there":           {func(*scene) {}, true},
		"one signs with another selector": {func(s *scene) { s.Drift("mail", "other", "mx2"); s.Unsure("mx2") }, true},
		"one signs with nothing":          {func(s *scene) { s.Drift("", "", "mx2") }, true},
		"one signs with the standby's":    {func(s *scene) { s.Drift("s2", plantest.KeyAt(1).ID, "mx2") }, false},
		"one is new, and was not asked": {func(s *scene) {
			delete(s.Seen.Signers, "mx2")
			delete(s.Have.Signers, "mx2")
		}, false},
		"one does not answer": {func(s *scene) { s.Silence("mx2"); s.Unsure("mx2") }, false},
		"mail may need the standby's": {func(s *scene) {
			s.Drift("mail", "other", "mx2")
			s.ConfirmedAt("mx2", s.Now.Add(-time.Hour))
		}, false},
		"the active one is lost, too": {func(s *scene) { s.Drift("mail", "other", "mx2"); s.Hold("s1", "", 1) }, false},
		"somebody else's record stands there": {func(s *scene) {
			s.Drift("mail", "other", "mx2")
			s.Show("s2", plantest.ForeignRecord)
		}, false},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		s.Hold("s2", "", 2)
		c.change(s)
		steps := plantest.Steps(s.Plan(), s.Now)
		if got := strings.Contains(steps, "generate s2"); got != c.want {
			t.Errorf("%s: a fresh key is made: %t: %s", name, got, steps)
		}
	}
}
