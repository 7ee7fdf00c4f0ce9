package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/shown"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// compromised plans that compromised keys are left and revoked, before the scheme continues.
func (p *planner) compromised() verdict {
	switch p.Have.Phase {
	case rotate.New:
	case rotate.Bootstrapping:
		for _, s := range p.Want.Policy.Selectors {
			if p.Have.Leaked(s) {
				p.abandon(s)
			}
		}
		p.escape(p.first())
	default:
		if p.flees() {
			return taken
		}
	}
	return free
}

// flees plans that signers leave a compromised active key, and reports whether nothing else is to be planned.
// If there is no other key to go to, the phase makes one; a key that was ordered to be revoked is revoked meanwhile.
func (p *planner) flees() bool {
	from := p.Have.Active
	if !p.Have.Leaked(from) {
		return false
	}
	if wayout.Deadlocked(&p.Judge) {
		startOver(p, from)
		return true
	}
	if to := p.Refuge(); noneCame(p, to) {
		p.shelter()
		p.replace(to)
		return true
	} else if to != "" {
		p.flee(from, to)
		return true
	}
	other := p.Want.Policy.Other(from)
	err := cmp.Or(p.Seen.Selectors[other].KeyErr, p.obstacles[other])
	switch {
	case p.LostForGood(from), health.NoneSigns(&p.Judge, from):
		p.revoke(rotate.Revocation, from, time.Time{})
	case err != nil && !p.Have.Leaked(other):
		if p.MayRevoke(from) { // what others are to come to is not there yet
			p.revoke(rotate.Revocation, from, time.Time{})
		}
		p.stop(err)
	}
	if to := p.Haven(); to != "" && !p.Have.Leaked(to) && !p.unread(to) && p.Have.Phase == rotate.Draining {
		p.empty(to) // the keystore is asked again soon, and not when a drain is over
	}
	return false
}

// noneCame reports whether a switch leads to a key that the keystore has lost before a signer came to it: no mail needs
// it, and a fresh one takes its place, to which signers flee.
func noneCame(p *planner, to string) bool {
	return p.Have.Phase == rotate.Switching && nowhereToFlee(p, to) && wayout.Unneeded(&p.Judge, to) &&
		!p.Now.Before(wayout.Quiet(&p.Judge, to))
}

// startOver plans that a fresh key takes the place of the active one, which is revoked: signers can't be given the
// other one, and are given the fresh one as soon as every server shows it.
func startOver(p *planner, s string) {
	why := rotate.Reason{Code: codes.Compromised,
		Message: fmt.Sprintf("the key at %s is revoked, and signers can't be given that of %s: a fresh key takes its place, "+
			"and signers are given it as soon as every server shows it", s, p.Want.Policy.Other(s))}
	p.plan.Reason = why
	p.repair()
	p.revoke(rotate.Revocation, s, time.Time{})
	p.provide(s, why)
}

// flee switches all signers away from a compromised active key to the selector to, and revokes the key.
func (p *planner) flee(from, to string) {
	why := rotate.Reason{Code: codes.Compromised,
		Message: fmt.Sprintf("the key at %s was reported as compromised: "+
			"signers leave it for %s, it is revoked and destroyed, and a fresh key takes its place", from, to)}
	p.plan.Reason = why
	if p.Have.Selector(from).Key.RevokeNow {
		p.revoke(rotate.Revocation, from, time.Time{})
	}
	p.repair()
	key, at := p.Have.Selector(to).Key, p.Known(to)
	barred := health.Barred(&p.Judge, to)
	if p.HandsOff(to) && !barred {
		at = time.Time{} // no resolver can make it worse
	}
	unread, moves := barred || p.unread(to) || p.empty(to) || p.lacks(to), false
	for _, signer := range inTurn(&p.draft) {
		if p.Confirmed(signer, to, key.ID) || barred || unread && !p.CanFetch(signer, to) {
			continue
		}
		if p.Opposed(to) || health.Partly(&p.Judge, to) { // one that was silent when the record was seen, or it was there
			p.verifyBeforeUse(rotate.Revocation, to, key, p.leaves(signer, from, to, at))
		}
		p.activate(rotate.Revocation, signer, to, p.leaves(signer, from, to, at), why)
		moves = true
	}
	switch {
	case !unread:
		p.revoke(rotate.Revocation, from, at)
		p.destroyLeaked(from, at)
	case p.MayRevoke(from):
		p.revoke(rotate.Revocation, from, time.Time{})
	case moves:
		p.revoke(rotate.Revocation, from, at)
	default: // the compromised key stays in use until one can leave it, and its mail verifies
		p.shelter()
	}
	if settled := p.Usable(to); settled.After(at) && p.Now.Before(settled) {
		p.warn(codes.Settle, finding.Thing{Selector: to}, "the key at %s has not settled: until %s, "+
			"receivers that keep an older key of it will not verify mail signed with it", to, calendar.Until(settled))
	}
}

// leaves returns when a signer leaves a compromised key: not before at, when resolvers know the other one's record.
// Where the key was revoked, or its record is gone, its mail fails until then: a wait would only let more of it fail.
func (d *draft) leaves(signer, from, to string, at time.Time) time.Time {
	seen, key, gone := d.Seen.Signers[signer], d.Have.Selector(to).Key, shown.Gone(d.Seen.Selectors[from])
	verifies := seen.Err == nil && d.Seen.Fate(seen.Ref.Selector, seen.Ref.KeyID) == rotate.Verifies
	there := !key.VerifiedAt.IsZero() || health.ShownOf(&d.Judge, to) != ""
	if d.Now.Before(at) && (gone || health.Dead(&d.Judge, from)) && there && !verifies {
		return time.Time{}
	}
	return at
}

// abandon plans that a new domain's compromised key goes, when no signer relies on it or that was ordered.
func (p *planner) abandon(s string) {
	if p.MayRevoke(s) {
		p.revoke(rotate.Revocation, s, time.Time{})
	}
}

// escape plans that the signers of a new domain leave a compromised key for the selector to,
// before anything else is made. Where the key there is compromised as well they come to it only
// so that the other one can be made again, and no other signer is given it.
func (p *planner) escape(to string) {
	key, from := p.Have.Selector(to).Key, p.Want.Policy.Other(to)
	if key == nil || key.VerifiedAt.IsZero() || key.GivenUp() || p.revoked[to] || p.HandsOff(to) {
		return
	}
	if at := p.Standing(to); at != health.Current && at != health.Changing && at != health.Unseen {
		return // it is published again first
	}
	why := rotate.Reason{Code: codes.Compromised,
		Message: fmt.Sprintf("the key at %s was reported as compromised: signers leave it for %s", from, to)}
	if p.Have.Leaked(to) {
		why.Message = "both keys were reported as compromised: signers come to one, so that the other can be made again"
		if !p.Have.Leaked(from) {
			return
		}
	}
	moves, late := false, false
	for _, signer := range inTurn(&p.draft) {
		late = late || health.Late(&p.Judge, signer)
		if p.OnCompromised(signer, from) || !p.Have.Leaked(to) && p.OnCompromised(signer, to) {
			p.verifyBeforeUse(rotate.Revocation, to, key, wayout.Soonest(&p.Check, signer, to))
			p.activate(rotate.Revocation, signer, to, wayout.Soonest(&p.Check, signer, to), why)
			moves = true
		}
	}
	if moves && late && p.Have.Leaked(from) {
		p.revoke(rotate.Revocation, from, p.Known(to)) // else it is, when all have come
	}
}

// firstUse returns when signers of a new domain may begin to sign with a selector: as
// soon as resolvers know it, where they leave a compromised key.
func (d *draft) firstUse(s string) time.Time {
	for _, signer := range d.Want.Signers {
		if d.OnCompromised(signer, s) || d.OnCompromised(signer, d.Want.Policy.Other(s)) {
			return d.Known(s)
		}
	}
	return d.Usable(s)
}

// revoke plans that a compromised key's record loses its key, unless it has already, or something else stands there.
func (d *draft) revoke(duty rotate.Duty, s string, from time.Time) {
	sel, seen := d.Have.Selector(s), d.Seen.Selectors[s]
	if d.Replaced(s) {
		return
	}
	fresh := sel.Next != nil && seen.KeyErr == nil // one that can't be read takes no place
	if fresh && d.obstacles[s] == nil && d.Replaceable(s, true) == nil {
		return // the fresh key's record takes the place at once
	}
	standing := d.Standing(s)
	another := shown.ShowsAnother(seen.Sight, sel.Next)
	agreed := standing == health.Changing && seen.Sight.Silent && another && len(seen.Sight.Values) == 1
	again := (standing == health.Earlier || standing == health.Doubled || agreed) &&
		(sel.Next == nil || !fresh && another && !sel.Next.MayBePublic()) // else it would take the fresh key's record away
	again = again || standing == health.Foreign && (seen.Sight.Complete || len(d.Want.Also) > 0)
	purged := d.Have.Released != nil && standing == health.Absent
	if purged || d.Bound(s) || !sel.Key.RevokedAt.IsZero() && !again {
		return // where a fresh key is stored already, its record takes the place
	}
	if !from.After(d.Now) {
		d.revoked[s] = true
	}
	before := strings.Join(seen.Sight.Values, " | ")
	d.step(rotate.Step{Kind: rotate.Revoke, Duty: duty, Selector: s,
		Target: fmt.Sprintf("%s TXT, through %s", d.Name(s), d.Want.Through()), NotBefore: from,
		Reason: wayout.RevokeReason(&d.Judge, s, "then"),
		Asked:  d.askedOf(s), From: rotate.Side{Record: before, KeyID: dkim.RecordKeyID(before)},
		To: rotate.Side{Record: dkim.RevokedRecord(sel.Key.Record)}, TTL: d.Want.Policy.TTL})
}

// destroyLeaked plans that a compromised private key is destroyed, not before from, once no signer needs it. Where the
// keystore has lost the other selector's key, a fresh one is stored first: with nothing of dkimbot's in it, the
// keystore would be taken for a wrong one, and no key be made.
func (d *draft) destroyLeaked(s string, from time.Time) {
	sel, other := d.Have.Selector(s), d.Want.Policy.Other(s)
	if d.Keeping(other) == health.KeyGone && sel.Next == nil && d.Keeping(s) != health.KeyGone {
		return
	}
	if err := d.WrongKeystore(s); err != nil {
		d.stop(err)
		return
	}
	if key := sel.Key; !key.Gone {
		d.destroy(rotate.Revocation, s, rotate.Retired{KeyID: key.ID, Version: key.Version}, from,
			rotate.Reason{Code: codes.Compromised, Message: "no signer signs with the compromised key any more"})
	}
}
