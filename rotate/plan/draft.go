package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// draft is a plan as it grows: it says how each kind of step is planned.
type draft struct {
	health.Check
	req  rotate.Request
	plan rotate.DomainPlan

	obstacles map[string]error // by selector; "" for those of the whole domain. See checks.go

	acts      bool            // a step can be taken now
	later     *rotate.Step    // the first step that waits for its time
	switched  []rotate.Step   // signers that are given a key now
	waiting   []rotate.Step   // signers that are given a key later
	revoked   map[string]bool // by selector: the plan revokes its key now
	sheltered map[string]bool // by signer: the plan gives it the active key meanwhile

	adoption      bool // the plan is that of an adoption
	afterAdoption bool // the plan is what follows an adoption
}

func newDraft(seen health.Check, req rotate.Request) draft {
	return draft{Check: seen, req: req,
		obstacles: map[string]error{}, revoked: map[string]bool{}, sheltered: map[string]bool{}}
}

// step adds a step to the plan, and notes what later rules ask about it. A step that two rules plan stands
// in the plan once, with the duty of the first.
func (d *draft) step(s rotate.Step) {
	if slices.ContainsFunc(d.plan.Steps, func(p rotate.Step) bool { return sameStep(p, s) }) {
		return
	}
	d.plan.Steps = append(d.plan.Steps, s)
	d.acts = len(d.plan.Runnable(d.Now)) > 0
	if s.NotBefore.After(d.Now) {
		d.later = cmp.Or(d.later, &s)
		if s.Kind == rotate.Activate {
			d.waiting = append(d.waiting, s)
		}
	} else if s.Kind == rotate.Activate {
		d.switched = append(d.switched, s)
	}
}

// sameStep reports whether two steps do the same. A look at the servers that answer (Joining)
// is not one at all of them.
func sameStep(a, b rotate.Step) bool {
	return a.Kind == b.Kind && a.Selector == b.Selector && a.Signer == b.Signer && a.From.KeyID == b.From.KeyID &&
		a.To.KeyID == b.To.KeyID && (a.Duty == rotate.Joining) == (b.Duty == rotate.Joining)
}

// because says why the plan is made, where no rule has said it yet.
func (d *draft) because(why rotate.Reason) {
	if d.plan.Reason.Code == "" {
		d.plan.Reason = why
	}
}

// stop says what keeps dkimbot from doing all that should be done; nil is nothing. The first reason counts.
func (d *draft) stop(err error) {
	if d.plan.Stop == nil {
		d.plan.Stop = err
	}
}

// waits says that the first step which has to wait comes next, if there is one.
func (d *draft) waits() {
	s := d.later
	if s == nil {
		return
	}
	action, why := s.Kind, s.Reason
	if s.Kind == rotate.Drain {
		action = codes.ActionReplace
	}
	if s.Kind == rotate.Activate || s.Kind == rotate.Verify {
		action, why = rotate.Activate, d.waitReason(s.Selector, s.NotBefore)
		if s.Duty == rotate.Revocation {
			why = wayout.FlightReason(s.Selector)
		}
	}
	d.plan.Next = &rotate.Next{Action: action, Selector: s.Selector, At: s.NotBefore, Reason: why}
	if s.Kind == rotate.Drain {
		d.plan.Next = d.opening(*d.plan.Next)
	}
}

// note keeps an obstacle at a selector, or of the whole domain for "". The first one counts.
func (d *draft) note(selector string, err error) {
	if d.obstacles[selector] == nil {
		d.obstacles[selector] = err
	}
}

// obstacle returns the first of the obstacles; nil when there is none.
func (d *draft) obstacle() error {
	return cmp.Or(d.obstacles[""], d.obstacles[d.Want.Policy.Selectors[0]], d.obstacles[d.Want.Policy.Selectors[1]])
}

// warn warns of a thing. Where a finding says the same of it, people read it once.
func (d *draft) warn(code codes.Code, about finding.Thing, format string, args ...any) {
	d.plan.Warnings = append(d.plan.Warnings,
		finding.Warning{Code: code, Message: fmt.Sprintf(format, args...), About: about})
}
