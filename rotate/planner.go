package rotate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Generated stands in a plan for a key that is not made yet.
const Generated = "(generated at apply)"

// Plan says what to do for one domain now, and why. It reads nothing and changes
// nothing: equal arguments give equal plans (I11).
func Plan(now time.Time, want Domain, have State, seen Observation) DomainPlan {
	have = have.asOf(now)
	have.Phase = cmp.Or(have.Phase, New)
	p := &planner{now: now, want: want, have: have, seen: seen}
	p.plan = DomainPlan{Name: want.Name, Phase: have.Phase, Revision: have.Revision, Asked: want.Asked, Drift: dated(Drift(want, have, seen), have.Drift), Seen: seen}
	if p.sound() {
		p.have.heed(want, seen, nil, now)
		p.phase()
	}
	if p.plan.Stop != nil {
		p.plan.Steps, p.plan.Next = nil, nil
	}
	return p.plan
}

// planner holds what Plan was given, and the plan as it grows.
type planner struct {
	now  time.Time
	want Domain
	have State
	seen Observation
	plan DomainPlan

	adoption bool // the plan is one of PlanAdoption
}

func (p *planner) phase() {
	if p.have.Released != nil {
		p.released()
		return
	}
	p.warn()
	switch p.have.Phase {
	case New, Bootstrapping:
		p.bootstrap()
	case Ready:
		p.ready()
	case Switching:
		p.switching()
	case Draining, Replacing:
		p.draining()
	default:
		p.stop(fault.Refuse("unknown-phase", fmt.Sprintf("state says that %s is %q, which this version does not know", p.want.Name, p.have.Phase),
			"run the version of dkimbot that wrote the state"))
	}
}

// bootstrap makes both keys, publishes them, and puts the first to use.
func (p *planner) bootstrap() {
	if p.resumeAdoption() {
		return
	}
	why := Reason{"bootstrap", "the domain is new to dkimbot: it gets a key at each of its two selectors"}
	p.plan.Reason = why
	if p.have.Phase == New && p.closed("bootstrap", "") {
		return
	}
	for _, s := range p.want.Policy.Selectors {
		p.provide(s, why)
	}
	first := cmp.Or(p.have.Target, p.want.Policy.Selectors[0])
	p.use(first, p.usable(first), Reason{"bootstrap", "the signer starts to sign with " + first})
	p.nextFromSteps()
}

// ready waits for the schedule, and keeps what is there in order meanwhile.
func (p *planner) ready() {
	standby := p.want.Policy.Other(p.have.Active)
	if p.have.leaked(p.have.Active) && p.keeping(standby) != keyGone {
		p.flee(standby)
		return
	}
	p.plan.Reason = Reason{"idle", p.have.Active + " signs; " + standby + " is published and waits for the next rotation"}
	p.repair()
	p.align()
	due, err := p.want.Policy.NextDue(p.want.Name, p.have.SwitchedAt)
	if err != nil {
		p.stop(fault.Lasting("plan the next rotation of "+p.want.Name, err, "mend the policy's schedule"))
		return
	}
	next := Next{Action: "rotate", Selector: standby, At: due, Reason: Reason{"schedule", "the schedule's next rotation switches to " + standby}}
	usable := p.usable(standby)
	isDue := p.want.Asked || !p.now.Before(due) || p.have.leaked(p.have.Active)
	switch {
	case len(p.plan.Steps) > 0: // mend first
	case p.keeping(standby) == keyGone && p.renew(standby, isDue):
		return
	case isDue && p.now.Before(usable):
		next.At, next.Reason = usable, p.waitReason(standby)
		p.plan.Reason = next.Reason
	case isDue:
		p.rotate(standby)
		return
	case due.Before(usable):
		next.At = usable
	}
	p.plan.Next = p.opening(next)
	if len(p.plan.Steps) > 0 {
		p.nextFromSteps()
	}
}

// rotate switches all signers to the standby selector, then drains the other.
func (p *planner) rotate(standby string) {
	why := Reason{"schedule", fmt.Sprintf("the schedule %q (%s) made a rotation due", p.want.Policy.Schedule, p.want.Policy.Timezone)}
	if p.want.Asked {
		why = Reason{"asked", "a rotation was asked for"}
	}
	p.plan.Reason = why
	if p.closed("rotate", standby) || p.unread(standby) {
		return
	}
	p.plan.Switches = true
	p.use(standby, time.Time{}, why)
	p.drain(p.have.Active, p.now.Add(p.want.Policy.Drain))
	p.nextFromSteps()
}

// switching carries on a switch that not every signer has confirmed yet.
func (p *planner) switching() {
	switch {
	case p.have.leaked(p.have.Active):
		p.flee(p.have.Target)
		return
	case len(p.have.Held) > 0:
		p.held()
		return
	}
	why := Reason{"switching", "the switch to " + p.have.Target + " was begun; not every signer has confirmed it"}
	p.plan.Reason = why
	p.repair()
	mends := len(p.plan.Steps) > 0 // also while the keystore is out of order
	switch unread := p.seen.Selectors[p.have.Target].KeyErr != nil; {
	case unread && !mends:
		p.unread(p.have.Target)
		return
	case !unread:
		p.use(p.have.Target, p.usable(p.have.Target), why)
		p.drain(p.have.Active, p.now.Add(p.want.Policy.Drain))
	}
	p.nextFromSteps()
}

// draining waits until no mail in flight needs the old key, then replaces it.
func (p *planner) draining() {
	s, until := p.have.Draining, p.have.SwitchedAt.Add(p.want.Policy.Drain)
	leaked := p.have.leaked(s)
	over := leaked || p.replaced(s) || !p.now.Before(until)
	p.repair()
	if p.align() && !p.replaced(s) && !leaked {
		// A signer that strayed may have signed with the old selector until now:
		// the drain starts again when it has come back (I2, I10).
		over, until = false, p.now.Add(p.want.Policy.Drain)
	}
	mend := len(p.plan.Steps) > 0
	switch {
	case leaked:
		p.revoke(s, time.Time{})
		p.destroyLeaked(s)
		p.replace(s)
	case !over:
		why := p.drain(s, until)
		if !mend {
			p.plan.Reason = why
		}
	case !mend:
		p.replace(s)
	}
	p.nextFromSteps()
}

// drain plans the wait for mail that was signed with selector s.
func (p *planner) drain(s string, until time.Time) Reason {
	why := Reason{"drain", fmt.Sprintf("mail signed with %s may be in flight, and receivers may keep its key, for %s after the last signer's switch; then %s gets a fresh key", s, Span(p.want.Policy.Drain), s)}
	published := Facts{"record": "published"}
	p.step(Step{Kind: Drain, Selector: s, Target: p.name(s).String(), NotBefore: until, Reason: why, Before: published, After: published})
	return why
}

// replaced reports whether the fresh key of the draining selector is public, or
// may be: then nothing is gained by waiting any more.
func (p *planner) replaced(s string) bool {
	sel := p.have.selector(s)
	if sel.Next == nil {
		return len(sel.Retired) > 0
	}
	return !sel.Next.PublishedAt.IsZero() || slices.ContainsFunc(p.seen.Selectors[s].Sight.Values, func(v string) bool { return sameRecord(v, sel.Next.Record) })
}

// replace gives the drained selector its fresh key. Only when every signer says
// that it signs with the other selector is the record touched (I2).
func (p *planner) replace(s string) {
	why, leaked := p.replaceReason(s), p.have.leaked(s)
	if leaked {
		why = Reason{"compromised", "the key at " + s + " was reported as compromised: it is revoked and destroyed, and a fresh key takes its place"}
	}
	p.plan.Reason = why
	for _, name := range p.want.Signers {
		if err := p.seen.Signers[name].Err; err != nil && !leaked {
			p.stop(&fault.Error{Kind: fault.Transient, Code: "signer-unseen", Err: err,
				What: fmt.Sprintf("replace the key of %s: signer %s does not tell what it signs with", p.name(s), name),
				Hint: "make the signer answer, or take it out of the domain's signers if it is gone; until then the old key record stays"})
			return
		}
	}
	sel := p.have.selector(s)
	begun := p.have.Phase == Replacing || sel.Next != nil || len(sel.Retired) > 0
	urgent := leaked || p.have.leaked(p.have.Active) // signers are to flee to the fresh key
	if !begun && !urgent && p.closed("replace", s) {
		return
	}
	old := sel.Retired
	if len(old) == 0 {
		p.provide(s, why)
		old = []Retired{{KeyID: sel.Key.ID, Version: sel.Key.Version}}
	}
	for _, r := range old {
		if !leaked || r.KeyID != sel.Key.ID {
			p.destroy(s, r, Reason{"replaced", "the new record is public; the old private key is needed no more"})
		}
	}
}

func (p *planner) destroy(s string, r Retired, why Reason) {
	p.step(Step{Kind: Destroy, Selector: s, Target: fmt.Sprintf("keystore, %s version %d", p.name(s), r.Version), Reason: why,
		Before: Facts{"key_id": r.KeyID}, After: Facts{"key_id": ""}})
}

func (p *planner) step(s Step)             { p.plan.Steps = append(p.plan.Steps, s) }
func (p *planner) name(s string) dkim.Name { return dkim.Name{Domain: p.want.Name, Selector: s} }

func (p *planner) stop(err error) {
	if p.plan.Stop == nil {
		p.plan.Stop = err
	}
}

// nextFromSteps tells the first step that has to wait, if there is one.
func (p *planner) nextFromSteps() {
	for _, s := range p.plan.Steps {
		if !s.NotBefore.After(p.now) {
			continue
		}
		action, why := string(s.Kind), s.Reason
		if s.Kind == Drain {
			action = "replace"
		}
		if s.Kind == Activate || s.Kind == Verify {
			action, why = string(Activate), p.waitReason(s.Selector)
		}
		p.plan.Next = &Next{Action: action, Selector: s.Selector, At: s.NotBefore, Reason: why}
		if s.Kind == Drain {
			p.plan.Next = p.opening(*p.plan.Next)
		}
		return
	}
}
