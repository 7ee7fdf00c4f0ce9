package plan_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestLedToTheActiveOne: the standby's name leads to the active one's record. That selector alone is refused: a host that
// was built again is given the active key (I1, I6).
func TestLedToTheActiveOne(t *testing.T) {
	s := plantest.Ready()
	s.Drift("", "", "mx2")
	s.Show("s2", plantest.Record(plantest.Keys()[0]))
	seen := s.Seen.Selectors["s2"]
	seen.Sight.Owner = "s1._domainkey.example.com"
	s.Seen.Selectors["s2"] = seen
	p, given := s.Plan(), false
	for _, step := range p.Steps {
		given = given || step.Kind == rotate.Activate && step.Selector == "s1" && step.Signer == "mx2"
	}
	if !given || fault.CodeOf(p.Stop) != codes.SharedName {
		t.Errorf("%v; %s", p.Stop, plantest.Steps(p, s.Now))
	}
}
