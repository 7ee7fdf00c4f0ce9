package approval

import (
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Grant is an approval as it is used up. It belongs to one task. The nil
// Grant, of a run that needs no approval, permits everything.
type Grant struct {
	Approval
	done  []bool        // by step
	begun bool          // the use of the plan is noted in the state, see TakeUp
	last  *rotate.State // as this work left it; nil: it did not get that far
	moved bool          // somebody else has worked on the domain since
}

// NewGrant returns the grant of an approval that is not used yet.
func NewGrant(a Approval) *Grant {
	return &Grant{Approval: a, done: make([]bool, len(a.Steps))}
}

// Left returns the steps that are still to be done.
func (g *Grant) Left() []rotate.Step {
	var out []rotate.Step
	for i, s := range g.Steps {
		if !g.done[i] && s.Kind != rotate.Drain {
			out = append(out, s)
		}
	}
	return out
}

// LeftOf returns the steps that were approved and still have to be done after a round that ended with err, where p
// is planned then: somebody else may have done some meanwhile.
func (g *Grant) LeftOf(p rotate.DomainPlan, err error) []rotate.Step {
	if err != nil {
		return g.Left()
	}
	return slices.DeleteFunc(g.Left(), func(l rotate.Step) bool {
		return !slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Does(l) })
	})
}

// Did notes that a step was carried out.
func (g *Grant) Did(s rotate.Step) {
	if g == nil {
		return
	}
	for i, a := range g.Steps {
		if !g.done[i] && s.Does(a) {
			g.done[i] = true
			return
		}
	}
}

// open reports whether a step may be carried out.
func (g *Grant) open(s rotate.Step) bool {
	for i, a := range g.Steps {
		if s.Does(a) && (!g.done[i] || g.again(a)) {
			return true
		}
	}
	return false
}

// again reports whether a step that was done may be done once more: looking always,
// and what the next step was to make sure of until that has succeeded.
func (g *Grant) again(s rotate.Step) bool {
	switch s.Kind {
	case rotate.Verify:
		return true
	case rotate.Generate:
		return g.pending(rotate.StoreKey, s.Selector)
	case rotate.Publish:
		return g.pending(rotate.Verify, s.Selector)
	}
	return false
}

// pending reports whether a step of a kind at a selector is still to be done.
func (g *Grant) pending(kind rotate.Kind, selector string) bool {
	return slices.ContainsFunc(g.Left(), func(l rotate.Step) bool { return l.Kind == kind && l.Selector == selector })
}

// Next returns what is waited for after a round that began at began: an approved step of its plan, whose
// time may have passed by now, or the next try. It returns nil when nothing that was approved is waited for.
func (g *Grant) Next(p rotate.DomainPlan, err error, began, retry time.Time) *rotate.Next {
	if err != nil {
		return &rotate.Next{Action: codes.ActionRetry, At: retry,
			Reason: rotate.Reason{Code: codes.Failed, Message: fault.Text(err)}}
	}
	for _, s := range p.Steps {
		if s.NotBefore.After(began) && s.Kind != rotate.Drain && g.open(s) && len(g.Left()) > 0 {
			return &rotate.Next{Action: rotate.Activate, Selector: s.Selector, At: s.NotBefore, Reason: p.NextReason()}
		}
	}
	// the fresh key to which signers are to leave a compromised one is not planned before its time
	if n := p.Next; n != nil && n.Action == codes.ActionReplace && n.At.After(began) &&
		g.pending(rotate.StoreKey, n.Selector) {
		return n
	}
	return nil
}

// Admit decides whether the approval holds, before anything is done. What it
// refuses leaves no trace in the state, so that other plans for the domain still hold. Unknown
// says that this can't be found out.
func (g *Grant) Admit(domain string, stored rotate.State, seen rotate.Observation) (refusal, unknown error) {
	if g == nil {
		return nil, nil
	}
	held := g.Approval
	if g.last != nil {
		g.moved = g.last.Basis() != stored.Basis()
		held.Conditions.Revision, held.Conditions.State = g.last.Revision, g.last.Basis()
	}
	if g.begun {
		return nil, nil
	}
	why, unasked := held.Stale(stored, seen)
	if unasked != nil {
		unknown = &fault.Error{Kind: fault.KindOf(unasked), Code: fault.CodeOf(unasked), Err: unasked,
			Hint: fault.HintOf(unasked),
			What: fmt.Sprintf("apply plan %s to %s: could not verify that nothing changed since the plan was made", g.PlanID, domain)}
	}
	return Stale(g.PlanID, domain, why), unknown
}

// Permitted returns those of the steps that may be carried out: all, none when the
// approval is used up, or the refusal to continue.
func (g *Grant) Permitted(domain string, steps []rotate.Step) ([]rotate.Step, error) {
	if g == nil || len(steps) == 0 {
		return steps, nil
	}
	if len(g.Left()) == 0 {
		return nil, nil
	}
	if g.moved {
		return nil, Stale(g.PlanID, domain,
			[]rotate.Reason{{Code: codes.StateMoved,
				Message: fmt.Sprintf("somebody else has changed %s since this plan was started", domain)}})
	}
	for _, s := range steps {
		if !g.open(s) {
			return nil, Stale(g.PlanID, domain,
				[]rotate.Reason{{Code: codes.NotPlanned, Message: "the domain now needs a step that is not in the plan: " + s.Words()}})
		}
	}
	return steps, nil
}

// TakeUp notes in the state, with the first effect and in the same write, that the
// plan is used; it returns what the history says of that, "" for nothing. A veto, a limit or
// a failure before the first effect leaves the plan unused (I7).
func (g *Grant) TakeUp(st *rotate.State) string {
	if g == nil || st.Applied == g.PlanID {
		return ""
	}
	st.Applied = g.PlanID
	st.Next = nil // whatever becomes of this run: the domain is to be looked at
	return "plan " + g.PlanID + " applied"
}

// Leave notes how a run for the grant leaves the state.
func (g *Grant) Leave(st rotate.State) {
	if g != nil && !g.moved {
		g.last = &st
	}
}

// Wrote notes what a run for the grant has written.
func (g *Grant) Wrote(st rotate.State) {
	if g != nil {
		g.begun = g.begun || st.Applied == g.PlanID
	}
}

// Holds reports that the work ended with err before anything was begun, and that the
// same plan may be applied again.
func (g *Grant) Holds(err error) bool {
	return err != nil && !g.begun && fault.CodeOf(err) != codes.StalePlan
}

// Idle reports that a run for an approval found nothing that may be done yet. Then the state is left as it
// is, so that the approval still holds.
func (g *Grant) Idle() bool { return g != nil && !g.begun }
