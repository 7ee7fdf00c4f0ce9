package plan_test

import (
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestNothingUsesWhatIsRevoked: no plan brings a signer to a key, or tests it, that the same plan revokes before (I2):
// whichever keys are compromised, and whatever else is otherwise.
func TestNothingUsesWhatIsRevoked(t *testing.T) {
	leaks := map[string]func(*scene){
		"s1":    plantest.Leak("s1"),
		"s2":    plantest.Leak("s2"),
		"s1 s2": func(s *scene) { plantest.Leak("s1")(s); plantest.Leak("s2")(s) },
	}
	for _, stage := range plantest.Stages() {
		for leaked, leak := range leaks {
			for _, v := range plantest.Changes() {
				s := &scene{}
				stage.Change(s)
				if s.Have.Selector("s1").Key == nil || s.Have.Selector("s2").Key == nil {
					continue
				}
				leak(s)
				v.Change(s)
				steps := s.Plan().Runnable(s.Now)
				for i, r := range steps {
					if r.Kind == rotate.Revoke && usesRevoked(steps[i+1:], r.Selector) {
						t.Errorf("%s, %s compromised, %s: %s", stage.Name, leaked, v.Name, plantest.Steps(s.Plan(), s.Now))
					}
				}
			}
		}
	}
}

// usesRevoked reports whether one of the steps uses the key at a selector before another one was published there.
func usesRevoked(steps []rotate.Step, selector string) bool {
	for _, s := range steps {
		switch {
		case s.Selector != selector:
		case s.Kind == rotate.Publish:
			return false
		case s.Kind == rotate.Verify, s.Kind == rotate.Activate:
			return true
		}
	}
	return false
}

// TestUnreadFreshKeyHoldsNoRevocation: a fresh key that can't be read takes the place of no record, so a compromised key
// is revoked without it.
func TestUnreadFreshKeyHoldsNoRevocation(t *testing.T) {
	s := &scene{}
	for _, stage := range plantest.Stages() {
		if stage.Name == "ready, both leaked" {
			stage.Change(s)
		}
	}
	for _, v := range plantest.Changes() {
		if v.Name == "s2: a deleted secret" || v.Name == "s2: a fresh key" {
			v.Change(s)
		}
	}
	steps := s.Plan().Steps
	if !slices.ContainsFunc(steps, func(r rotate.Step) bool { return r.Kind == rotate.Revoke && r.Selector == "s2" }) {
		t.Errorf("s2 is not revoked: %s", plantest.Steps(s.Plan(), s.Now))
	}
}
