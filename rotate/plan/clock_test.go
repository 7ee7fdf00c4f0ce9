package plan_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestClockWasAhead: what was seen in DNS by a clock that was ahead by years counts as seen
// now, and not days later: a signer that strays is brought back after the caches' time (I1).
func TestClockWasAhead(t *testing.T) {
	s := plantest.Ready()
	s.Have.Selectors["s1"].Key.VerifiedAt = s.Now.Add(1000 * day)
	s.Drift("s2", s.Have.Selectors["s2"].Key.ID, "mx1")
	p := s.Plan()
	for _, step := range p.Steps {
		if step.Kind == rotate.Activate && step.NotBefore.After(s.Now.Add(time.Hour)) {
			t.Errorf("mx1 is brought back only at %s", step.NotBefore)
		}
	}
	if len(p.Steps) == 0 {
		t.Error("nothing brings mx1 back")
	}
}
