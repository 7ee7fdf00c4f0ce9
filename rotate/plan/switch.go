package plan

import (
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// The second step of the scheme: when the schedule makes it due, all signers switch to the standby.

// ready waits for the schedule.
func (p *planner) ready(busy bool) {
	standby := p.Want.Policy.Other(p.Have.Active)
	p.because(rotate.Reason{Code: codes.Idle, Message: p.Have.Active + " signs; " + standby +
		" is published and waits for the next rotation"})
	due, err := p.Want.Policy.NextDue(p.Want.Name, p.Have.SwitchedAt)
	if err != nil {
		p.stop(fault.Lasting("plan the next rotation of "+p.Want.Name, err, "correct the policy's schedule"))
		return
	}
	heals := p.heals()
	fresh := leadsOut(p, standby) || nowhereToFlee(p, standby)
	if fresh && wayout.Unneeded(&p.Judge, standby) && !p.Now.Before(wayout.Quiet(&p.Judge, standby)) {
		p.replace(standby)
		return
	}
	if p.obstacle() != nil && !heals {
		return // nothing new is begun
	}
	next := rotate.Next{Action: codes.ActionRotate, Selector: standby, At: due,
		Reason: rotate.Reason{Code: codes.Schedule, Message: "the schedule's next rotation switches to " + standby}}
	usable := p.Usable(standby)
	if to, at := health.Better(&p.Check); to == standby && !health.BetterHeld(&p.Judge, to) { // no sooner for a request
		usable = latest(usable, at)
	}
	urgent := p.Have.Leaked(p.Have.Active)
	isDue := p.req.Asked || !p.Now.Before(due) || urgent
	switch {
	case busy && !heals: // something is repaired first
	case p.Keeping(standby) == health.KeyGone && p.renew(standby, isDue):
		return
	case !heals && renewAsked(p, standby, latest(due, usable)):
		return
	case isDue && p.Now.Before(usable) && !urgent:
		next.At, next.Reason = usable, p.waitReason(standby, usable)
		p.plan.Reason = next.Reason
		if err := p.obstacle(); err != nil {
			p.stop(&fault.Error{Kind: fault.Transient, Code: fault.CodeOf(err), Err: errors.New(next.Reason.Message),
				What: fmt.Sprintf("switch %s to %s before %s", p.Want.Name, standby, calendar.Until(usable)),
				Hint: "ask again after that time; meanwhile: " + fault.HintOf(err)})
		}
	case isDue:
		p.rotate(standby)
		return
	case due.Before(usable):
		next.At = usable
	}
	p.plan.Next = p.opening(next)
}

// nowhereToFlee reports whether signers are to leave a compromised key, and the keystore has lost only the standby's:
// they flee to a fresh one, whatever else they sign with now.
func nowhereToFlee(p *planner, standby string) bool {
	return p.Have.Leaked(p.Have.Active) && p.obstacles[""] == nil && p.obstacles[standby] == nil && !p.LostAll()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// heals reports whether the rotation that is due, or that a person asks for, is what puts the domain in order, so that
// nothing at the active selector stands in its way. By the schedule alone no record of somebody else is left behind.
func (p *planner) heals() bool {
	active := p.Have.Active
	standby := p.Want.Policy.Other(active)
	if !p.Heals(standby) || p.obstacles[""] != nil {
		return false
	}
	due, err := p.Want.Policy.NextDue(p.Want.Name, p.Have.SwitchedAt)
	return p.req.Asked || err == nil && !p.Now.Before(due) && p.obstacles[active] == nil
}

// rotate switches all signers to the standby selector, then drains the other.
func (p *planner) rotate(standby string) {
	why := rotate.Reason{Code: codes.Schedule,
		Message: fmt.Sprintf("the schedule %q (%s) made a rotation due", p.Want.Policy.Schedule, p.Want.Policy.Timezone)}
	if p.req.Asked {
		why = rotate.Reason{Code: codes.Asked, Message: "a rotation was asked for"}
	}
	p.plan.Reason = why
	if p.unread(standby) || p.Have.Leaked(p.Have.Active) {
		return
	}
	if err := p.refusing(standby); err != nil { // a switch would be left half done
		p.stop(err)
		return
	}
	if p.closed(codes.ActionRotate, standby) {
		return
	}
	p.plan.Switches = true
	p.use(standby, time.Time{}, why)
	p.drain(p.Have.Active, p.Now.Add(p.Have.Selector(p.Have.Active).DrainUnder(p.Want.Policy)))
}

// switching continues a switch that not every signer has confirmed yet.
func (p *planner) switching(busy bool) {
	target := p.Have.Target
	why := rotate.Reason{Code: codes.Switching, Message: "the switch to " + target +
		" was begun; not every signer has confirmed it"}
	p.because(why)
	switch unread := p.Seen.Selectors[target].KeyErr != nil; {
	case unread || p.obstacles[target] != nil:
		p.shelter()
		if unread && !busy && len(p.sheltered) == 0 {
			p.unread(target)
		}
	default:
		if !p.comesSoon(target) {
			p.shelter()
		}
		p.use(target, p.Usable(target), why)
		p.lacks(target)
		p.drain(p.Have.Active, p.Now.Add(p.Have.Selector(p.Have.Active).DrainUnder(p.Want.Policy)))
	}
}
