package approval_test

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// granted returns a grant of a plan with one step, made of a state of revision 1.
func granted(st rotate.State) *approval.Grant {
	return approval.NewGrant(approval.Approval{PlanID: "p1",
		Steps:      []rotate.Step{{Kind: rotate.Revoke, Selector: "s1"}},
		Conditions: approval.ConditionsOf(rotate.DomainPlan{Revision: st.Revision, Basis: st.Basis()})})
}

// TestTakenUp: with the first effect the state says that the plan is used, and that the domain is to be looked at
// whatever becomes of the run (I7). It says so once.
func TestTakenUp(t *testing.T) {
	st := rotate.State{Domain: "example.com", Revision: 1, Next: &rotate.Next{Action: codes.ActionRotate}}
	g := granted(st)
	if says := g.TakeUp(&st); says != "plan p1 applied" || st.Applied != "p1" || st.Next != nil {
		t.Errorf("it says %q; the state has plan %q, and next %+v", says, st.Applied, st.Next)
	}
	if says := g.TakeUp(&st); says != "" {
		t.Errorf("the second time it says %q", says)
	}
}

// TestUsedForGood: a plan that was begun does not hold for another try, also where another plan was applied to the
// domain since (I7).
func TestUsedForGood(t *testing.T) {
	st := rotate.State{Domain: "example.com", Revision: 1}
	g := granted(st)
	failed := errors.New("no answer")
	if !g.Holds(failed) || !g.Idle() {
		t.Error("it does not hold before it was begun")
	}
	g.TakeUp(&st)
	g.Wrote(st)
	st.Applied = "p2"
	g.Wrote(st)
	if g.Holds(failed) || g.Idle() {
		t.Error("I7: the plan holds though it was begun")
	}
}

// TestOwnTrace: what an earlier round for the same approval has written, before anything was begun, makes the plan not
// stale (I7); what somebody else has written since does.
func TestOwnTrace(t *testing.T) {
	st := rotate.State{Domain: "example.com", Revision: 1}
	g := granted(st)
	left := st
	left.Revision, left.Phase = 2, rotate.Draining
	g.Leave(left)
	if refusal, unknown := g.Admit("example.com", left, rotate.Observation{}); refusal != nil || unknown != nil {
		t.Errorf("after its own writing: %v, %v", refusal, unknown)
	}
	other := left
	other.Revision, other.Phase = 3, rotate.Replacing
	if refusal, _ := g.Admit("example.com", other, rotate.Observation{}); fault.CodeOf(refusal) != codes.StalePlan {
		t.Errorf("after somebody else's: %v", refusal)
	}
}

// TestMovedForGood: when somebody else has worked on the domain since a plan was begun, none of its steps is taken any
// more, also not in a later round (I8).
func TestMovedForGood(t *testing.T) {
	st := rotate.State{Domain: "example.com", Revision: 1}
	g := granted(st)
	g.TakeUp(&st)
	g.Wrote(st)
	g.Leave(st)
	other := st
	other.Revision, other.Phase = 2, rotate.Draining
	for round := range 2 {
		if refusal, _ := g.Admit("example.com", other, rotate.Observation{}); refusal != nil {
			t.Fatal(refusal)
		}
		if steps, err := g.Permitted("example.com", nil); err != nil || len(steps) > 0 {
			t.Errorf("round %d, nothing to do: %v, %v", round, steps, err)
		}
		if steps, err := g.Permitted("example.com", g.Left()); fault.CodeOf(err) != codes.StalePlan || len(steps) > 0 {
			t.Errorf("I8: round %d: %v, %v", round, steps, err)
		}
		g.Leave(other)
	}
}
