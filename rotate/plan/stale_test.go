package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
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
