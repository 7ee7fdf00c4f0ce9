package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// What is planned here keeps in order what is there already, in every phase.

// repaired puts in order what is there already: records, and what signers sign with.
func (p *planner) repaired() verdict {
	switch p.Have.Phase {
	case rotate.Ready, rotate.Draining, rotate.Replacing:
		records, signers := p.repair(), p.align()
		if records || signers {
			return busy
		}
	case rotate.Switching: // the switch itself brings signers where they belong
		if p.repair() {
			return busy
		}
	}
	return free
}

// repair publishes records of ours again that have vanished from DNS, or in whose place an older record of
// ours stands. It reports whether there are any.
func (p *planner) repair() bool {
	repairs := false
	for _, s := range p.Want.Policy.Selectors {
		repairs = p.repairAt(s) || repairs
	}
	return repairs
}

func (p *planner) repairAt(s string) bool {
	sel := p.Have.Selector(s)
	if sel.Next != nil || sel.Key == nil || p.GivenUp(s) || p.HandsOff(s) && !health.Lacking(&p.Judge, s) {
		return false
	}
	lost := p.Lost(s)
	if lost != nil && (p.Superseded(s) || sel.Key.PublishedAt.IsZero() && p.Keeping(s) == health.KeyGone) {
		return false // another fresh key takes the place of one that never stood in DNS
	}
	if lost != nil {
		why := rotate.Reason{Code: codes.Vanished, Message: lost.Message + "; it is published again" + p.Again(s)}
		if lost.Code == codes.ServersDiffer {
			why.Code = codes.ServersDiffer
		}
		p.plan.Reason = why
		p.publish(rotate.Publicity, s, sel.Key, why)
	}
	if p.HandsOff(s) {
		return lost != nil
	}
	seen := p.Seen.Selectors[s]
	// what somebody else made of a compromised key's record is not waited for to be as it was
	if lost == nil && (!sel.Key.VerifiedAt.IsZero() || seen.SightErr != nil || p.Standing(s) == health.Earlier) {
		return false
	}
	p.verify(rotate.Publicity, s, sel.Key, time.Time{},
		rotate.Reason{Code: codes.Verify,
			Message: "the record must show on every authoritative server before anything relies on it"})
	return true
}

// align brings signers that sign with something else than the active key back to it:
// new ones, and ones that were rebuilt or restored from a backup. It reports whether there are any.
func (p *planner) align() bool {
	active := p.Have.Active
	key := p.Have.Selector(active).Key
	drifted := slices.DeleteFunc(p.Drifted(), p.betterOff)
	if len(drifted) == 0 {
		return false
	}
	why := rotate.Reason{Code: codes.SignerStrays,
		Message: fmt.Sprintf("%s must sign with %s; that is not so yet, or not confirmed", strings.Join(drifted, ", "), active)}
	p.plan.Reason = why
	if p.HandsOff(active) {
		signAnyhow(&p.draft, drifted, why)
		return true
	}
	if p.unread(active) { // those that sign with nothing and fetch the key themselves need not wait
		drifted = slices.DeleteFunc(drifted, func(name string) bool { return !p.CanFetch(name, active) || !p.Unsigned(name) })
	}
	drifted = p.given(drifted)
	if err := p.Seen.Selectors[active].SightErr; err != nil && (wrongAt(p.Have, active) || key.VerifiedAt.IsZero()) {
		p.stop(err) // what the last health check found there may still be there, or it is unknown what is
		return true
	}
	for _, signer := range drifted {
		from, seen := p.Known(active), p.Seen.Signers[signer]
		switch {
		case seen.Err == nil && seen.Ref.Selector == "":
			from = time.Time{} // signers used the key: to wait for resolvers would only send more mail without a signature
		case seen.Err == nil && p.mayVerify(seen):
			from = p.Returnable(active) // its mail verifies meanwhile
		}
		if p.Seen.Selectors[active].SightErr == nil {
			p.bring(rotate.Signing, signer, active, from, p.driftReason(signer, why))
			continue
		} // else it was seen when signers began to use it, and a signer that does not sign is worse
		p.activate(rotate.Signing, signer, active, from, p.driftReason(signer, why))
	}
	return true
}

// mayVerify reports whether mail verifies that is signed with what a signer says that it uses: DNS shows the key, or
// can't be asked just now and showed it before.
func (d *draft) mayVerify(seen rotate.SignerSeen) bool {
	fate, key := d.Seen.Fate(seen.Ref.Selector, seen.Ref.KeyID), d.Have.Selector(seen.Ref.Selector).Key
	return fate == rotate.Verifies || d.Seen.Selectors[seen.Ref.Selector].SightErr != nil && key != nil &&
		key.ID == seen.Ref.KeyID && key.Leaked.IsZero() && !key.VerifiedAt.IsZero() && !wrongAt(d.Have, seen.Ref.Selector)
}

// signAnyhow gives signers that sign with nothing the active key, whose record somebody has put in test mode: receivers
// treat their mail no worse than unsigned mail, and most of them take the signature (I1).
func signAnyhow(d *draft, drifted []string, why rotate.Reason) {
	active := d.Have.Active
	if !d.InTestMode(active) || d.LostForGood(active) {
		return
	}
	for _, signer := range drifted {
		unread := d.Seen.Selectors[active].KeyErr != nil && !d.CanFetch(signer, active)
		if d.Unsigned(signer) && !unread && !d.OutOfKeystore(signer, active) {
			d.activate(rotate.Signing, signer, active, time.Time{}, d.driftReason(signer, why))
		}
	}
}

// betterOff reports whether a signer stays where it is until there is a good key: the active one is compromised, and
// its mail verifies by a selector that the domain had earlier, or that is not dkimbot's. It also stays where it came to
// by a move that the state is too old to know.
func (d *draft) betterOff(signer string) bool {
	seen := d.Seen.Signers[signer]
	left := rotate.SelectorAt(d.Have, seen.Ref.Selector)
	ordered := left != nil && left.Key != nil && left.Key.RevokeNow
	return health.MovedOn(&d.Judge, signer) || d.Have.Leaked(d.Have.Active) && seen.Err == nil &&
		d.Have.Selectors[seen.Ref.Selector] == nil && !ordered &&
		d.Seen.Fate(seen.Ref.Selector, seen.Ref.KeyID) == rotate.Verifies
}

// given returns those of the drifted signers that can be given the active key. Where one can't, and no switch gives it
// another one, that stops the plan.
func (p *planner) given(drifted []string) (out []string) {
	active := p.Have.Active
	elsewhere, _ := health.Better(&p.Check)
	for _, name := range drifted {
		switch {
		case !p.OutOfKeystore(name, active):
			out = append(out, name)
		case p.obstacles[active] == nil && !p.Have.Leaked(active) && !p.heals() && elsewhere == "":
			p.stop(p.keyless(fmt.Sprintf("give signer %s the key of %s", name, active), active))
		}
	}
	return out
}

// lacked reports whether a signer that has not confirmed the selector's key can't be given it, because it is not in
// the keystore.
func (d *draft) lacked(s string) bool {
	key := d.Have.Selector(s).Key
	return key != nil && slices.ContainsFunc(d.Want.Signers,
		func(name string) bool {
			return !d.Confirmed(name, s, key.ID) && !slices.Contains(d.Have.Held, name) && d.OutOfKeystore(name, s)
		})
}

// lacks is lacked, and stops the plan for it. That another key is there is an obstacle already.
func (d *draft) lacks(s string) bool {
	lacked := d.lacked(s)
	if lacked && d.obstacles[s] == nil {
		d.stop(d.keyless("give signers of "+d.Want.Name+" the key of "+s, s))
	}
	return lacked
}

// keyless returns the error of what needs a private key that is not in the keystore.
func (d *draft) keyless(what, selector string) error {
	f := d.KeyDrift(selector)
	return &fault.Error{Kind: fault.Permanent, Code: f.Code, What: what,
		Err: finding.WithThing(f.Thing(), errors.New(f.Message)), Hint: f.Repair}
}

// shelter brings signers that sign with no good key to the active one, while the switch can't be carried on: also
// those that have switched already, where somebody has put another record in the place of the target's since.
func (p *planner) shelter() {
	active := p.Have.Active
	if p.LostForGood(active) || p.HandsOff(active) {
		return
	}
	for _, signer := range p.Want.Signers {
		unread := p.Seen.Selectors[active].KeyErr != nil && !p.ComesAlone(signer, active)
		fails, says := failsAtTarget(&p.draft, signer), "it signs with no key of dkimbot's"
		if p.Have.MayUse(p.Seen.Signers[signer]) && !fails || unread || p.OutOfKeystore(signer, active) {
			continue
		}
		if fails {
			says = "mail that it signs with " + p.Have.Target + " fails, because DNS shows another record there"
		}
		p.bring(rotate.Signing, signer, active, p.Known(active),
			p.driftReason(signer, rotate.Reason{Code: codes.SignerStrays, Message: says}))
		p.sheltered[signer] = true
	}
}

// failsAtTarget reports whether a signer has switched, and its mail fails for what somebody else put at the target: all
// of it, or where receivers ask a server that shows that, while every server shows the active record.
func failsAtTarget(d *draft, signer string) bool {
	seen, target := d.Seen.Signers[signer], d.Have.Target
	worse := health.AllFails(&d.Judge, target) ||
		health.Forsaken(&d.Judge, target) && d.Standing(d.Have.Active) == health.Current && !d.Have.Leaked(d.Have.Active)
	return worse && seen.Err == nil && d.Have.Identify(seen.Ref).Selector == target
}

// comesSoon reports whether signers that sign with nothing can be given the key of the selector that a switch leads to,
// and need not wait for name servers, for resolvers or for a person.
func (p *planner) comesSoon(target string) bool {
	agreed := p.Standing(target) != health.Changing || p.Unopposed(target)
	silent := p.Seen.Selectors[target].Sight.Silent && !p.AnyConfirmed(target)
	return agreed && !silent && !p.lacked(target) && p.refusing(target) == nil && !p.unheard(target)
}

// unheard reports whether receivers may not find the record of the selector that a switch leads
// to, while they find that of the active one.
func (p *planner) unheard(target string) bool {
	return p.Now.Before(p.Usable(target)) && !p.Now.Before(p.Known(p.Have.Active)) &&
		p.Standing(p.Have.Active) == health.Current
}

// driftReason says how the signer drifted, when that is seen.
func (h *draft) driftReason(signer string, why rotate.Reason) rotate.Reason {
	if f := h.SignerDrift(signer); f != nil && f.Code != codes.SignerSilent {
		why.Message = f.Message
	}
	return why
}

// renew gives the standby a fresh key when its private key is lost, as soon as no mail in flight can need the old
// one. Until then, and where that can't be, a switch that is due waits for it. It reports whether the plan is made.
func (p *planner) renew(s string, isDue bool) bool {
	why, quiet := wayout.ReplaceReason(&p.Check, s), wayout.Quiet(&p.Judge, s)
	switch renewable := p.Renewable(s); {
	case renewable && !p.Now.Before(quiet):
		p.replace(s)
	case renewable && isDue:
		why.Message += ", but not before mail that was signed with the old one has arrived"
		p.plan.Reason, p.plan.Next = why, &rotate.Next{Action: codes.ActionReplace, Selector: s, At: quiet, Reason: why}
	case isDue:
		p.stop(p.keyless("switch "+p.Want.Name+" to "+s, s))
	default:
		return false
	}
	return true
}

// wrongAt reports whether the last health check found that a selector's record does not stand there alone.
func wrongAt(st rotate.State, selector string) bool {
	return slices.ContainsFunc(st.Drift, func(f finding.Finding) bool {
		return f.Selector == selector &&
			slices.Contains([]codes.Code{codes.RecordVanished, codes.RecordEarlier, codes.RecordsDoubled, codes.RecordSecond,
				codes.RecordForeign}, f.Code)
	})
}
