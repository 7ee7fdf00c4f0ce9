package plan

import (
	"cmp"
	"errors"
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

// bootstrap makes both keys, publishes them, and puts the first to use.
func (p *planner) bootstrap() {
	if p.resumeAdoption() {
		return
	}
	why := rotate.Reason{Code: "bootstrap", Message: "the domain is new to dkimbot: it gets a key at each of its two selectors"}
	p.plan.Reason = why
	if p.have.Phase == rotate.New && (p.obstacle() != nil || p.unread(p.want.Policy.Selectors[:]...) || p.closed("bootstrap", "")) {
		return
	}
	first := cmp.Or(p.have.Target, p.want.Policy.Selectors[0])
	for _, s := range p.want.Policy.Selectors {
		if p.have.Leaked(s) {
			p.abandon(s)
		}
	}
	p.escape(first)
	complete := p.obstacle() == nil
	p.duty = rotate.Turn
	for _, s := range p.want.Policy.Selectors {
		if p.have.Leaked(s) {
			continue
		}
		if p.obstacle() == nil || s == first && p.have.Relied(s) && p.obstacles[s] == nil { // else nothing is owed yet
			complete = p.provide(s, p.firstKey(why)) && complete
		}
	}
	switch {
	case p.have.Leaked(first):
	case complete:
		p.use(first, p.firstUse(first), rotate.Reason{Code: "bootstrap", Message: "the signer starts to sign with " + first})
	default:
		p.bringBack(first)
	}
}

// firstKey says why a selector gets its first key: after an adoption only the other one does.
func (p *planner) firstKey(why rotate.Reason) rotate.Reason {
	if p.afterAdoption {
		why.Message = "the other selector gets a key of its own, ready for the next rotation"
	}
	return why
}

// bringBack plans, while a new domain can't be finished, that the signers which
// sign already continue to do so, and that those which sign with nothing join them.
func (p *planner) bringBack(first string) {
	key := p.have.Selector(first).Key
	if key == nil || key.VerifiedAt.IsZero() || p.obstacles[first] != nil {
		return
	}
	p.duty = rotate.Signing
	for _, signer := range p.want.Signers {
		switch c, known := p.have.Signers[signer]; {
		case p.confirmed(signer, first, key.ID):
		case known && c.Selector == first:
			p.bring(signer, first, key, p.known(first), rotate.Reason{Code: rotate.SignerStrays, Message: "it signed with " + first + ", and does not any more"})
		case p.joins(signer, first, key.ID) && p.seen.Selectors[first].KeyErr == nil:
			p.bring(signer, first, key, p.known(first), rotate.Reason{Code: rotate.SignerStrays, Message: "it signs with nothing, and others sign with " + first})
		}
	}
}

// ready waits for the schedule, and keeps what is there in order meanwhile.
func (p *planner) ready() {
	standby := p.want.Policy.Other(p.have.Active)
	if p.flees() {
		return
	}
	p.plan.Reason = rotate.Reason{Code: "idle", Message: p.have.Active + " signs; " + standby + " is published and waits for the next rotation"}
	repairs := p.repair()
	repairs = p.align() || repairs
	due, err := p.want.Policy.NextDue(p.want.Name, p.have.SwitchedAt)
	if err != nil {
		p.stop(fault.Lasting("plan the next rotation of "+p.want.Name, err, "correct the policy's schedule"))
		return
	}
	if p.obstacle() != nil {
		return // nothing new is begun
	}
	next := rotate.Next{Action: "rotate", Selector: standby, At: due, Reason: rotate.Reason{Code: "schedule", Message: "the schedule's next rotation switches to " + standby}}
	usable := p.usable(standby)
	urgent := p.have.Leaked(p.have.Active)
	isDue := p.req.Asked || !p.now.Before(due) || urgent
	switch {
	case repairs: // first
	case p.keeping(standby) == keyGone && p.renew(standby, isDue):
		return
	case isDue && p.now.Before(usable) && !urgent:
		next.At, next.Reason = usable, p.waitReason(standby)
		p.plan.Reason = next.Reason
	case isDue:
		p.rotate(standby)
		return
	case due.Before(usable):
		next.At = usable
	}
	p.plan.Next = p.opening(next)
}

// rotate switches all signers to the standby selector, then drains the other.
func (p *planner) rotate(standby string) {
	why := rotate.Reason{Code: "schedule", Message: fmt.Sprintf("the schedule %q (%s) made a rotation due", p.want.Policy.Schedule, p.want.Policy.Timezone)}
	if p.req.Asked {
		why = rotate.Reason{Code: "asked", Message: "a rotation was asked for"}
	}
	p.plan.Reason = why
	if p.unread(standby) || p.have.Leaked(p.have.Active) || p.closed("rotate", standby) {
		return
	}
	p.plan.Switches = true
	p.duty = rotate.Turn
	p.use(standby, time.Time{}, why)
	p.drain(p.have.Active, p.now.Add(p.want.Policy.Drain))
}

// switching carries on a switch that not every signer has confirmed yet.
func (p *planner) switching() {
	switch {
	case p.flees():
		return
	case len(p.have.Held) > 0:
		p.held()
		return
	}
	target := p.have.Target
	why := rotate.Reason{Code: "switching", Message: "the switch to " + target + " was begun; not every signer has confirmed it"}
	p.plan.Reason = why
	repairs := p.repair()
	switch unread := p.seen.Selectors[target].KeyErr != nil; {
	case unread || p.obstacles[target] != nil:
		sheltered := p.shelter()
		if unread && !repairs && !sheltered {
			p.unread(target)
		}
	default:
		if p.seen.Selectors[target].Sight.Silent && !p.anyConfirmed(target) {
			p.shelter() // the switch waits for every server
		}
		p.duty = rotate.Turn
		p.use(target, p.usable(target), why)
		p.drain(p.have.Active, p.now.Add(p.want.Policy.Drain))
	}
}

// draining waits until no mail in flight needs the old key, then replaces it.
func (p *planner) draining() {
	if p.flees() {
		return
	}
	s, until := p.have.Draining, p.have.SwitchedAt.Add(p.want.Policy.Drain)
	leaked := p.have.Leaked(s)
	over := leaked || p.replaced(s) || !p.now.Before(until)
	repairs := p.repair()
	if p.align() {
		repairs = true
		if !p.replaced(s) && !leaked {
			// A signer that strayed may have signed with the old selector until now:
			// the drain starts again when it has come back (I2, I10).
			over, until = false, p.now.Add(p.want.Policy.Drain)
		}
	}
	switch {
	case leaked:
		p.plan.Reason = rotate.Reason{Code: "compromised", Message: "the key at " + s + " was reported as compromised: it is revoked and destroyed, and a fresh key takes its place"}
		p.duty = rotate.Revocation
		p.revoke(s, time.Time{})
		if key := p.have.Selector(s).Key; !p.mayBeInHands(key.ID) {
			p.destroyLeaked(s, time.Time{})
		}
		if p.obstacles[s] == nil {
			p.replace(s)
		}
	case p.obstacle() != nil: // the old key is the way back, and stays until all is well
	case !over:
		p.duty = rotate.Turn
		why := p.drain(s, until)
		if !repairs {
			p.plan.Reason = why
		}
	case !repairs:
		p.replace(s)
	}
}

// drain plans the wait for mail that was signed with selector s.
func (d *draft) drain(s string, until time.Time) rotate.Reason {
	why := rotate.Reason{Code: "drain", Message: fmt.Sprintf("mail signed with %s may be in flight, and receivers may keep its key, for %s after the last signer's switch; then %s gets a fresh key", s, rotate.Span(d.want.Policy.Drain), s)}
	d.step(rotate.Step{Kind: rotate.Drain, Selector: s, Target: d.name(s).String(), NotBefore: until, Reason: why})
	return why
}

// replaced reports whether the fresh key of the draining selector is public, or
// may be: then nothing is gained by waiting any more.
func (j *Judge) replaced(s string) bool {
	sel := j.have.Selector(s)
	if sel.Next == nil {
		return j.have.Phase == rotate.Replacing && s == j.have.Draining && sel.InPlace()
	}
	return !sel.Next.PublishedAt.IsZero() || slices.ContainsFunc(j.seen.Selectors[s].Sight.Values, func(v string) bool { return rotate.SameRecord(v, sel.Next.Record) })
}

// replace gives the drained selector its fresh key. Only when every signer says
// that it signs with the other selector is the record touched (I2).
func (p *planner) replace(s string) {
	why, leaked := p.replaceReason(s), p.have.Leaked(s)
	if leaked {
		why = p.plan.Reason
	}
	p.plan.Reason = why
	p.duty = rotate.Turn
	if err := p.replaceable(s, leaked); err != nil {
		p.stop(err)
		return
	}
	sel := p.have.Selector(s)
	begun := p.have.Phase == rotate.Replacing || sel.Next != nil
	urgent := leaked || p.have.Leaked(p.have.Active) // signers are to flee to the fresh key
	if !begun && !urgent && p.closed("replace", s) {
		return
	}
	if sel.Next != nil || p.have.Phase != rotate.Replacing || !sel.InPlace() {
		if !p.provide(s, why) {
			return
		}
		if !leaked { // that of a compromised key is planned already
			p.destroyReplaced(s, rotate.Retired{KeyID: sel.Key.ID, Version: sel.Key.Version})
		}
		return
	}
	for _, r := range sel.Retired {
		if !r.Dropped {
			p.destroyReplaced(s, r)
		}
	}
}

// destroyReplaced plans that a replaced private key is destroyed, unless a signer uses it.
func (d *draft) destroyReplaced(s string, r rotate.Retired) {
	if d.mayBeInHands(r.KeyID) {
		d.stop(fault.Temporary(fmt.Sprintf("destroy the replaced key of %s", d.name(s)), errors.New("a signer still signs with it"),
			"it is destroyed when every signer signs with another one"))
		return
	}
	if err := d.wrongKeystore(s); err != nil {
		d.stop(err)
		return
	}
	d.destroy(s, r, time.Time{}, rotate.Reason{Code: "replaced", Message: "the new record is public; the old private key is needed no more"})
}

// replaceable says why the key at s can't be replaced now.
func (j *Judge) replaceable(s string, leaked bool) error {
	for _, name := range j.want.Signers {
		if err := j.seen.Signers[name].Err; err != nil && !leaked {
			return &fault.Error{Kind: fault.Transient, Code: "signer-unseen", Err: err,
				What: fmt.Sprintf("replace the key of %s: signer %s did not answer which key it uses", j.name(s), name),
				Hint: "make the signer answer, or take it out of the domain's signers if it is gone; until then the old key record stays"}
		}
	}
	if j.have.Phase != rotate.Ready && j.have.Selector(s).Next != nil && j.keeping(s) == keyGone {
		return j.lostKeystore(s)
	}
	if j.have.Phase != rotate.Ready && j.lostAll() {
		return j.lostKeystore(s)
	}
	return nil
}

// lostAll reports whether the keystore holds none of the keys that it should. Then it is
// likely to be another one: what would be made there is missing in the right one, and
// what would be destroyed is not (I4, I5).
func (v *view) lostAll() bool {
	lost := 0
	for _, s := range v.want.Policy.Selectors {
		switch key := v.have.Selector(s).Wanted(); {
		case key == nil || key.Gone || key.Doomed: // it says nothing when it is missing
		case v.keeping(s) != keyGone:
			return false
		default:
			lost++
		}
	}
	return lost > 0
}

// lostKeystore refuses to make or destroy keys in a keystore that has lost what it should hold.
func (v *view) lostKeystore(s string) error {
	return &fault.Error{Kind: fault.Permanent, Code: rotate.KeyMissing,
		What: fmt.Sprintf("make or destroy a key of %s: the keystore holds none of the keys that dkimbot stored for %s", v.name(s), v.want.Name),
		Hint: "see whether the configuration names the right keystore, and restore it from a backup; dkimbot makes and destroys no key while all are gone"}
}

func (d *draft) destroy(s string, r rotate.Retired, from time.Time, why rotate.Reason) {
	d.step(rotate.Step{Kind: rotate.Destroy, Selector: s, Target: fmt.Sprintf("keystore, %s version %d", d.name(s), r.Version), NotBefore: from, Reason: why, From: rotate.Side{KeyID: r.KeyID}})
}

// mayBeInHands reports whether a signer may sign with the key: one that does not answer and
// never confirmed any key may have been given this one by a run that was killed (I1).
func (v *view) mayBeInHands(keyID string) bool {
	return v.inHands(keyID) || slices.ContainsFunc(v.want.Signers, func(name string) bool {
		_, known := v.have.Signers[name]
		return !known && v.seen.Signers[name].Err != nil
	})
}

// inHands reports whether a signer signs with the key, as far as is known: its copy
// would go with the key, and its mail would not be signed at all (I1).
func (v *view) inHands(keyID string) bool {
	return slices.ContainsFunc(v.want.Signers, func(name string) bool {
		seen, c := v.seen.Signers[name], v.have.Signers[name]
		if seen.Err != nil {
			return c.KeyID == keyID
		}
		return v.have.Identify(seen.Ref).KeyID == keyID
	})
}

// destroyDropped plans the end of private keys that were made and given up before
// they were used. Nothing waits for it.
func (p *planner) destroyDropped() {
	p.duty = rotate.Disposal
	for _, s := range p.want.Policy.Selectors {
		for _, r := range p.have.Selector(s).Retired {
			if r.Dropped && !p.mayBeInHands(r.KeyID) && p.wrongKeystore(s) == nil {
				p.destroy(s, r, time.Time{}, rotate.Reason{Code: "dropped", Message: "the key was given up before a signer used it"})
			}
		}
	}
}

func (d *draft) step(s rotate.Step) {
	s.Duty = d.duty
	d.plan.Steps = append(d.plan.Steps, s)
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
