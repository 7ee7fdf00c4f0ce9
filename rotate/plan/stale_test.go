package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestReportOfLostState: a compromised key of a domain whose state is lost is refused with the
// way to take the domain up again (I12).
func TestReportOfLostState(t *testing.T) {
	s := plantest.New()
	s.Hold("s1", plantest.Keys()[0].ID(), 1)
	s.Show("s1", plantest.Record(plantest.Keys()[0]))
	s.Want.Request.Instruction = rotate.Compromised{}
	_, _, err := order.Apply(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen)
	if fault.CodeOf(err) != "lost-state" || !strings.Contains(fault.HintOf(err), "--from-keystore") {
		t.Errorf("%v; %s", err, fault.HintOf(err))
	}
}

// TestRollbackOfStaleState: a rollback by a state that is older than the world is refused with the
// way to a newer one, and not with a publication that would be refused, too.
func TestRollbackOfStaleState(t *testing.T) {
	s := plantest.Draining()
	s.Hold("s1", plantest.Keys()[3].ID(), 8)
	s.Show("s1", plantest.Record(plantest.Keys()[3]))
	_, _, err := order.Apply(s.Now, s.Want.Domain, rotate.Request{Instruction: rotate.Rollback{}}, s.Have, s.Seen)
	if fault.CodeOf(err) != "stale-state" || !strings.Contains(fault.HintOf(err), "--from-keystore") {
		t.Errorf("%v; %s", err, fault.HintOf(err))
	}
}

// TestSupersededThoughSilent: where the keystore holds a key that the state does not know, and a record
// is missing, what a signer confirmed to that state does not have the old key published again; what it
// says now does (I4, I5).
func TestSupersededThoughSilent(t *testing.T) {
	for _, silent := range []bool{true, false} {
		s := plantest.Ready()
		s.Want.Signers = s.Want.Signers[:1]
		s.Show("s1")
		at := s.Seen.Selectors["s1"]
		at.KeyID, at.Version, at.Kept = plantest.Keys()[3].ID(), 17, false
		s.Seen.Selectors["s1"] = at
		if silent {
			s.Silence("mx1")
		}
		p := s.Plan()
		published := slices.ContainsFunc(p.Steps,
			func(step rotate.Step) bool { return step.Kind == rotate.Publish && step.Selector == "s1" })
		if published == silent {
			t.Errorf("I4: the signer is silent: %t; the key that the keystore does not hold is published: %t", silent, published)
		}
	}
}

// TestStateFromBeforeAMove: where a signer signs with a selector that the policy names and the state does not know, so
// that mail verifies, the state is older than the move: the signer is not taken back, and the plan says so. One that
// does not sign is given the old key (I1, I12).
func TestStateFromBeforeAMove(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*scene)
		stale  bool
		moved  []string // are given a key
	}{
		"all sign with it":           {func(*scene) {}, true, nil},
		"one was built again":        {func(s *scene) { s.Drift("", "", "mx2") }, true, []string{"mx2"}},
		"its mail fails":             {func(s *scene) { s.Seen.Left["a"] = rotate.RecordSeen{Sight: rotate.Sight{Complete: true}} }, false, []string{"mx1", "mx2"}},
		"the policy names no others": {func(s *scene) { s.Want.Policy.Selectors = [2]string{"s1", "s2"} }, false, []string{"mx1", "mx2"}},
		"it was the domain's before": {func(s *scene) { s.Have.Earlier = rotate.Earlier{"a": {}} }, false, []string{"mx1", "mx2"}},
		"amid a switch": {func(s *scene) {
			s.Have.Enter(rotate.Switching)
			s.Have.Target = "s2"
		}, true, nil},
		"amid a drain": {func(s *scene) { s.Have.Enter(rotate.Draining); s.Have.Draining = "s2" }, true, nil},
	} {
		s := plantest.Ready()
		s.Want.Policy.Selectors = [2]string{"a", "b"}
		s.Drift("a", plantest.Keys()[3].ID(), "mx1", "mx2")
		s.Seen.Left = map[string]rotate.RecordSeen{"a": {Sight: rotate.Sight{Complete: true,
			Values: []string{plantest.Record(plantest.Keys()[3])}}}}
		c.change(s)
		p := s.Plan()
		if stale := fault.CodeOf(p.Stop) == codes.StaleState; stale != c.stale {
			t.Errorf("%s: %v", title, p.Stop)
		}
		var moved []string
		for _, step := range p.Steps {
			if step.Kind == rotate.Activate {
				moved = append(moved, step.Signer)
			}
		}
		if !slices.Equal(moved, c.moved) {
			t.Errorf("%s: %q are given a key", title, moved)
		}
	}
}
