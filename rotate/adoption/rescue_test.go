package adoption_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestAdoptionRescues: the state is lost, and signers sign with a key that was revoked. No person is told to publish that
// again. Signers go to the good one that is adopted, whatever stands at the other selector, and the revoked key is
// noted as compromised (I1, I6, I12).
func TestAdoptionRescues(t *testing.T) {
	revoked := plantest.Keys()[1].ID()
	lost := func() (*scene, rotate.Adoption) {
		s := plantest.New()
		s.Stands("s1", 0)
		s.Hold("s2", revoked, 1)
		s.Show("s2", dkim.RevokedRecord(plantest.Record(plantest.Keys()[1])))
		s.Drift("s2", revoked, "mx1", "mx2")
		a := held(map[string]int{"s1": 0})
		a.Stored = map[string]string{"s2": revoked}
		return s, a
	}
	s, a := lost()
	p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
	if hint := fault.HintOf(p.Stop); strings.Contains(hint, "publish the record") || !strings.Contains(hint, "--active s1") {
		t.Errorf("%v (hint %q)", p.Stop, hint)
	}
	a.Active = "s1"
	p = adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
	given := 0
	for _, step := range p.Steps {
		if step.Kind == rotate.Activate && step.Selector == "s1" {
			given++
		}
		if step.Selector == "s2" {
			t.Errorf("%s s2 is planned: %+v", step.Kind, step)
		}
	}
	if fault.CodeOf(p.Stop) != codes.ForeignRecord || given != 2 || p.Steps[0].Kind != rotate.Adopt {
		t.Errorf("%v; %s", p.Stop, plantest.Steps(p, s.Now))
	}
	st := believed(s, a)
	if !slices.ContainsFunc(st.Selectors["s2"].Retired, func(r rotate.Retired) bool { return r.KeyID == revoked && r.Leaked }) {
		t.Errorf("the revoked key is noted as %+v", st.Selectors["s2"])
	}
	for title, change := range map[string]func(*scene){ // then nothing is taken up beside a record of others
		"their mail verifies":                  func(s *scene) { s.Drift("s1", plantest.Keys()[0].ID(), "mx1", "mx2") },
		"none signs":                           func(s *scene) { s.Drift("", "", "mx1", "mx2") },
		"they sign with one that is not known": func(s *scene) { s.Drift("s9", plantest.Keys()[3].ID(), "mx1", "mx2") },
	} {
		s, a := lost()
		a.Active = "s1"
		change(s)
		p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
		if p.Stop == nil || slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Adopt }) {
			t.Errorf("%s: %v; %s", title, p.Stop, plantest.Steps(p, s.Now))
		}
	}
}
