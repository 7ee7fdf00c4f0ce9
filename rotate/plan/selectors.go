package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/shown"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// A domain whose policy names other selectors moves over to them as a new domain does: keys are made and published
// at the new names, and only then the signers are given one. The old records stay, so that mail in flight is
// verified; the old private keys are destroyed when that mail has arrived.

// keepLeft plans that records at selectors that the domain had earlier are published again while signers use them,
// whatever else is in the way (I2), or revoked where a person ordered that.
func keepLeft(p *planner) verdict {
	for _, s := range p.Have.Earlier.Names() {
		if f := p.LostLeft(s); f != nil {
			p.publish(rotate.Publicity, s, p.Have.Earlier[s].Key, rotate.Reason{Code: codes.Vanished,
				Message: f.Message + "; it is published again"})
		}
	}
	revokeLeft(p, true)
	return free
}

// keepSigning plans that signers which sign with nothing while the domain moves over are given the key that the others
// use meanwhile, whatever else is in the way (I1).
func keepSigning(p *planner) verdict {
	s := follow.Meanwhile(p.Have)
	for _, name := range p.Want.Signers {
		f := follow.Unserved(p.Have, p.Seen, name)
		if f == nil || p.Seen.Fate(s, p.Have.Earlier[s].Key.ID) > rotate.Verifies || follow.OutOfReach(p.Seen, name, s) {
			continue // what DNS does not show is published first; a lost key can't be given
		}
		p.activate(rotate.Signing, name, s, time.Time{}, rotate.Reason{Code: codes.SignerStrays, Message: f.Message})
		p.sheltered[name] = true
	}
	return free
}

// revokeLeft plans that compromised keys at selectors that the domain had earlier are revoked: at once where that was
// ordered, else as soon as no signer is about to leave them.
func revokeLeft(p *planner, now bool) {
	for _, s := range p.Have.Earlier.Names() {
		f := p.ExposedLeft(s)
		if f == nil || !p.MayRevoke(s) {
			continue
		}
		key, before := p.Have.Earlier[s].Key, strings.Join(health.At(p.Seen, s).Sight.Values, " | ")
		if key.RevokeNow != now || !now && p.leaving(s) {
			continue
		}
		p.step(rotate.Step{Kind: rotate.Revoke, Duty: rotate.Revocation, Selector: s,
			Target: fmt.Sprintf("%s TXT, through %s", p.Name(s), p.Want.Through()), Reason: wayout.RevokeReason(&p.Judge, s, "then"),
			From: rotate.Side{Record: before, KeyID: dkim.RecordKeyID(before)},
			To:   rotate.Side{Record: dkim.RevokedRecord(key.Record)}, TTL: p.Want.Policy.TTL})
	}
}

// leaving reports whether a signer leaves a selector that the domain had earlier when a wait is over.
func (d *draft) leaving(selector string) bool {
	return slices.ContainsFunc(d.waiting, func(s rotate.Step) bool { return d.Seen.Signers[s.Signer].At(selector) })
}

// putsOff reports whether a policy that names other selectors is no reason to stop yet: signers are brought to a good
// key, or leave a compromised one, as soon as a wait is over. That is carried on, and then the policy is refused.
func putsOff(d *draft) bool {
	return d.later != nil && (d.later.Duty == rotate.Signing || d.later.Duty == rotate.Revocation) &&
		fault.CodeOf(d.obstacle()) == codes.SelectorsChanged
}

// emptyEarlier plans to destroy the private keys at selectors that the domain had earlier. Three things come first:
// every signer says that it signs with another key, mail that was signed with these has arrived, and their records
// are not in DNS nor on their way there. In a wrong keystore nothing is destroyed; it would stay in the right one (I5).
func emptyEarlier(p *planner) {
	if p.plan.Stop == nil && follow.Moving(p.Have) {
		names, drain := make([]string, 0, 2), p.Want.Policy.Drain
		for _, s := range p.Have.Origin.Pair {
			names, drain = append(names, p.Name(s).String()), p.Have.Earlier.Drain(s, drain)
		}
		p.warn(codes.RecordKept, finding.Thing{}, "leave %s in DNS for %s after the switch, then remove them: their private keys "+
			"are destroyed when they are gone; 'dkimbot rollback --domain %s' leads back until then", strings.Join(names, " and "),
			calendar.Span(drain+rotate.Grace), p.Want.Name)
	}
	if p.Have.Active == "" || p.plan.Stop != nil {
		return
	}
	left := p.Have.Leftovers()
	for _, s := range p.Have.Earlier.Names() {
		until, noted := left[s]
		exposed := !slices.ContainsFunc(p.Have.Earlier[s].Retired, func(r rotate.Retired) bool { return !r.Leaked })
		if follow.Unused(p.Have, s) || exposed && !noted {
			until = p.Now
		}
		uses := slices.ContainsFunc(p.Want.Signers, func(name string) bool { return p.Seen.Signers[name].At(s) }) ||
			shown.DismissedUse(p.Seen, s)
		if p.Have.Selectors[s] != nil || p.Have.Earlier.Emptied(s) || until.IsZero() || uses ||
			len(p.silentUsers(s)) > 0 {
			continue
		}
		sel := *p.Have.Earlier[s]
		why := rotate.Reason{Code: codes.SelectorLeft, Message: fmt.Sprintf("mail that was signed with %s has arrived, and "+
			"the domain has other selectors: its private key is needed no more", s)}
		switch seen := p.Seen.Left[s]; {
		case p.ExposedLeft(s) != nil: // it is revoked first
		case until.After(p.Now) && !exposed:
			comesNext(&p.draft, rotate.Destroy, s, until, why)
		case seen.Sight.Unchecked:
			p.warn(codes.RemovalUnseen, finding.Thing{Selector: s}, "the private key at %s is kept: verify.mode is none, and so "+
				"dkimbot can't see whether its record was removed; set another mode for the domain once, and it is destroyed", p.Name(s))
		case seen.Err != nil || !seen.Sight.Complete:
		case slices.ContainsFunc(seen.Sight.Values, func(v string) bool {
			rewritten := sel.Key != nil && dkim.Holds(v, sel.Key.ID)
			return rewritten || sel.Ours(v) && !(exposed && dkim.RevokedValue(v))
		}):
			p.warn(codes.RecordLeft, finding.Thing{Selector: s}, "remove %s: no mail needs it any more, and its private key is kept until then", p.Name(s))
		case follow.MayAppear(sel.Key).After(p.Now):
			comesNext(&p.draft, rotate.Destroy, s, follow.MayAppear(sel.Key), follow.AppearReason(s))
		case p.WrongKeystore(s) != nil:
		default:
			for _, r := range sel.Retired {
				p.destroy(rotate.Disposal, s, r, time.Time{}, why)
			}
		}
	}
}

// comesNext notes what comes at a time, unless something comes before.
func comesNext(d *draft, action codes.Action, selector string, at time.Time, why rotate.Reason) {
	if next := d.plan.Next; next == nil || next.At.After(at) {
		d.plan.Next = &rotate.Next{Action: action, Selector: selector, At: at, Reason: why}
	}
}
