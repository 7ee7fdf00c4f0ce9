package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// Plan says what to do for one domain now, and why. It reads nothing and changes
// nothing: equal arguments give equal plans (I11).
//
// Each duty is planned by itself, and is stopped only by what stands in its own way: a record of somebody else at one
// selector does not keep the record at the other one from being published again. So a plan can hold steps and a Stop.
func Plan(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State,
	seen rotate.Observation) rotate.DomainPlan {
	return plan(health.New(now, want, have.AsOf(now), seen), req, "", false)
}

// Ordered is Plan for the state that an order makes of one in phase was.
func Ordered(now time.Time, want rotate.Domain, req rotate.Request, was rotate.Phase, have rotate.State,
	seen rotate.Observation) rotate.DomainPlan {
	return plan(health.New(now, want, have.AsOf(now), seen), req, was, false)
}

// plan is Plan, from what is known, of a domain in phase was; "": as the state says. adopted: it is for what follows an
// adoption.
func plan(known health.Check, req rotate.Request, was rotate.Phase, adopted bool) rotate.DomainPlan {
	want, have, seen := known.Want, known.Have, known.Seen
	look := health.New(known.Now, want, have, seen)
	drift := finding.Dated(look.Drift(), have.Drift)
	p := &planner{newDraft(known, req)}
	p.Reuse(&look)
	p.afterAdoption = adopted
	p.plan = rotate.DomainPlan{Name: want.Name, Phase: cmp.Or(was, have.Phase), Revision: have.Revision,
		Asked: req.Asked, Drift: drift, Seen: seen}
	p.domain()
	p.plan.Steps = revocationsFirst(&p.Judge, wayout.ServedFirst(&p.Judge, p.plan.Steps))
	p.waits()
	if p.plan.Stop != nil {
		p.plan.Next = nil
		// nothing is done when it is over
		p.plan.Steps = slices.DeleteFunc(p.plan.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Drain })
	}
	if len(p.plan.Steps) == 0 {
		p.plan.Steps = nil
		if p.plan.Stop != nil {
			p.plan.Reason = rotate.Reason{} // Stop is why
		}
	}
	return p.plan
}

// planner has the rules: what is planned in which phase.
type planner struct{ draft }

// A rule plans what comes before the four steps of the scheme, and says what may follow it.
type rule func(*planner) verdict

// verdict is what may be planned after a rule; the highest counts.
type verdict int

const (
	free  verdict = iota // the scheme continues
	busy                 // something is put in order: the scheme continues, and begins nothing new
	taken                // the rule has planned all that is to be done with keys in use
	ended                // nothing else is planned
)

// interruptions are the rules, in their order. Limits are not among them: the four steps ask them where a
// change begins (limits.go).
func interruptions() []rule {
	return []rule{
		(*planner).released,
		(*planner).checked,
		keepLeft,
		keepSigning,
		(*planner).adopted,
		(*planner).compromised,
		(*planner).rolledBack,
		leaveForeign,
		(*planner).repaired,
	}
}

// domain plans for the domain as it stands: first what interrupts the scheme, then what the phase wants.
func (p *planner) domain() {
	said := free
	for _, r := range interruptions() {
		now := r(p)
		if said = max(said, now); said >= taken {
			break
		}
	}
	if said == ended {
		return
	}
	if said != taken {
		p.scheme(said == busy)
	}
	p.destroyDropped()
	revokeLeft(p, false)
	emptyEarlier(p)
	if !putsOff(&p.draft) {
		p.stop(p.obstacle())
	}
	p.stop(p.refusedNow()) // they are tried all the same: what is in the way may be gone by then
	p.warnExposed()
}

// scheme plans the step of the scheme that the domain's phase wants; busy: nothing new is begun.
func (p *planner) scheme(busy bool) {
	switch p.Have.Phase {
	case rotate.New, rotate.Bootstrapping:
		p.bootstrap()
	case rotate.Ready:
		p.ready(busy)
	case rotate.Switching:
		p.switching(busy)
	case rotate.Draining, rotate.Replacing:
		p.draining(busy)
	}
}

// MaxRounds bounds how often one Advance plans again; a rotation needs three.
const MaxRounds = 12
