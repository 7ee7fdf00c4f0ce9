package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestLeavesARecordThatIsGone: signers leave the active selector whose record is gone, and could not be published again;
// one that signs with nothing comes to the other one, too. While it was not tried, or a server shows it, they stay (I1).
func TestLeavesARecordThatIsGone(t *testing.T) {
	failed := func(s *scene) {
		s.Have.Failures, s.Have.Failed = 1, rotate.Failure{Kind: rotate.Publish, Selector: "s1"}
	}
	for title, c := range map[string]struct {
		changes []func(*scene)
		leaves  bool
	}{
		"it failed":              {[]func(*scene){failed}, true},
		"it was not tried":       {nil, false},
		"something else failed":  {[]func(*scene){failed, func(s *scene) { s.Have.Failed.Selector = "s2" }}, false},
		"another step of it":     {[]func(*scene){failed, func(s *scene) { s.Have.Failed.Kind = rotate.Verify }}, false},
		"it is over":             {[]func(*scene){failed, func(s *scene) { s.Have.Failures = 0 }}, false},
		"a host was built again": {[]func(*scene){failed, func(s *scene) { s.Drift("", "", "mx1") }}, true},
		"both were built again":  {[]func(*scene){failed, func(s *scene) { s.Drift("", "", "mx1", "mx2") }}, true},
		"it is back, none signs": {[]func(*scene){failed, func(s *scene) {
			s.Show("s1", plantest.Record(plantest.Keys()[0]))
			s.Drift("", "", "mx1", "mx2")
		}}, false},
		"it is back": {[]func(*scene){failed, func(s *scene) { s.Show("s1", plantest.Record(plantest.Keys()[0])) }}, false},
	} {
		s := plantest.Ready()
		s.Show("s1")
		for _, change := range c.changes {
			change(s)
		}
		moved := 0
		p := s.Plan()
		for _, step := range p.Steps {
			if step.Kind != rotate.Activate || step.Selector != "s2" {
				continue
			}
			if moved++; step.NotBefore.After(s.Now) || !strings.Contains(step.Reason.Message, "is gone, and can't be published") {
				t.Errorf("%s: %s goes to s2 at %s: %s", title, step.Signer, step.NotBefore, step.Reason.Message)
			}
		}
		if moved > 0 != c.leaves || c.leaves && moved != len(s.Want.Signers) {
			t.Errorf("%s: %d signers go to s2: %s", title, moved, plantest.Steps(p, s.Now))
		}
	}
}
