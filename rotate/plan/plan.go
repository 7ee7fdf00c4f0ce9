package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Plan says what to do for one domain now, and why. It reads nothing and changes
// nothing: equal arguments give equal plans (I11).
//
// Each duty is planned by itself, and is stopped only by what stands in its own way:
// a record of somebody else at one selector does not keep the record at the other
// one from being published again. So a plan can hold steps and a Stop.
func Plan(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State, seen rotate.Observation) rotate.DomainPlan {
	return plan(now, want, req, have, seen, "")
}

// plan is Plan; of what follows an adoption, adoptedIn is the phase before it.
func plan(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State, seen rotate.Observation, adoptedIn rotate.Phase) rotate.DomainPlan {
	have = have.AsOf(now)
	look := newPlanner(time.Time{}, want, req, have, seen)
	drift := rotate.Dated(look.drift(), have.Drift)
	p := newPlanner(now, want, req, have, seen)
	p.afterAdoption, p.stands, p.olds = adoptedIn != "", look.stands, look.olds
	p.plan = rotate.DomainPlan{Name: want.Name, Phase: cmp.Or(adoptedIn, have.Phase), Revision: have.Revision, Asked: req.Asked, Drift: drift, Seen: seen}
	p.domain()
	if p.plan.Stop != nil {
		p.plan.Next = nil
		p.plan.Steps = slices.DeleteFunc(p.plan.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Drain }) // nothing is done when it is over
	}
	if len(p.plan.Steps) == 0 {
		p.plan.Steps = nil
		if p.plan.Stop != nil {
			p.plan.Reason = rotate.Reason{} // Stop is why
		}
	}
	return p.plan
}

// domain plans for the domain as it stands: first what interrupts the scheme, then
// what the phase wants.
func (p *planner) domain() {
	if p.have.Released != nil {
		p.have.Heed(p.want, p.seen, nil, p.now)
		p.released()
		return
	}
	if !p.checks() {
		return
	}
	p.have.Heed(p.want, p.seen, nil, p.now)
	p.warn()
	switch p.have.Phase {
	case rotate.New, rotate.Bootstrapping:
		p.bootstrap()
	case rotate.Ready:
		p.ready()
	case rotate.Switching:
		p.switching()
	case rotate.Draining, rotate.Replacing:
		p.draining()
	default:
		p.stop(fault.Refuse("unknown-phase", fmt.Sprintf("state says that %s is %q, which this version does not know", p.want.Name, p.have.Phase),
			"run the version of dkimbot that wrote the state"))
		return
	}
	p.destroyDropped()
	p.nextFromSteps()
	p.stop(p.obstacle())
}

// step adds a step to the plan. What two rules want is planned once, where the first wants it.
func (d *draft) step(s rotate.Step) {
	s.Duty = d.duty
	if !slices.ContainsFunc(d.plan.Steps, func(p rotate.Step) bool { return sameStep(p, s) }) {
		d.plan.Steps = append(d.plan.Steps, s)
	}
}

// sameStep reports whether two steps do the same. A look at the servers that answer (Joining)
// is not one at all of them.
func sameStep(a, b rotate.Step) bool {
	return a.Kind == b.Kind && a.Selector == b.Selector && a.Signer == b.Signer && a.From.KeyID == b.From.KeyID && (a.Duty == rotate.Joining) == (b.Duty == rotate.Joining)
}

func (v *view) name(s string) dkim.Name { return dkim.Name{Domain: v.want.Name, Selector: s} }

// stop says what keeps dkimbot from doing all that should be done; nil is nothing.
// The first reason counts.
func (d *draft) stop(err error) {
	if d.plan.Stop == nil {
		d.plan.Stop = err
	}
}

// nextFromSteps tells the first step that has to wait, if there is one, where
// nothing was said about what comes next.
func (d *draft) nextFromSteps() {
	for _, s := range d.plan.Steps {
		if !s.NotBefore.After(d.now) {
			continue
		}
		action, why := string(s.Kind), s.Reason
		if s.Kind == rotate.Drain {
			action = "replace"
		}
		if s.Kind == rotate.Activate || s.Kind == rotate.Verify {
			action, why = string(rotate.Activate), d.waitReason(s.Selector)
		}
		d.plan.Next = &rotate.Next{Action: action, Selector: s.Selector, At: s.NotBefore, Reason: why}
		if s.Kind == rotate.Drain {
			d.plan.Next = d.opening(*d.plan.Next)
		}
		return
	}
}

// maxRounds bounds how often one Advance plans anew; a rotation needs three.
const MaxRounds = 12
