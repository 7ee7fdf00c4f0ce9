package plan

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// leaveForeign plans that signers leave an active selector at which somebody has put another record, for the other one
// that is good; or that those whose mail fails or is not signed go there, because they can't be given the active key.
// It is a repair: no schedule, limit or veto is waited for, but a hold of the domain keeps it from beginning.
// The record is not touched, and keeps the selector from getting a fresh key until a person removes it (I6).
func leaveForeign(p *planner) verdict {
	to, at := health.Better(&p.Check)
	if to == "" || health.BetterHeld(&p.Judge, to) {
		return free
	}
	key, why := p.Have.Selector(to).Key, wayout.Reason(&p.Check, to)
	p.repair()
	p.plan.Reason = why
	turns := slices.SortedStableFunc(slices.Values(inTurn(&p.draft)), func(a, b string) int { // who can go first does
		return health.BetterAt(&p.Check, a, to).Compare(health.BetterAt(&p.Check, b, to))
	})
	for _, signer := range turns {
		if !p.Confirmed(signer, to, key.ID) {
			from := health.BetterAt(&p.Check, signer, to)
			if p.Have.Selector(to).Next != nil { // it is the old key that shows
				p.activate(rotate.Signing, signer, to, from, why)
				continue
			}
			p.bring(rotate.Signing, signer, to, from, why)
		}
	}
	if settled := p.Usable(to); settled.After(at) && p.Now.Before(settled) {
		p.warn(codes.Settle, finding.Thing{Selector: to}, "the key at %s has not settled: until %s, "+
			"receivers that keep an older key of it will not verify mail signed with it", to, calendar.Until(settled))
	}
	if p.Have.Phase == rotate.Switching || p.Now.Before(at) {
		return busy
	}
	return taken
}

// Forsakes returns the selector that a signer leaves by a step because of somebody else's record there, "" where it
// leaves none for that. It goes by the state: the configuration may name other selectors by now.
func Forsakes(st rotate.State, seen rotate.SignerSeen, s rotate.Step) string {
	// back from the target, without having been sent there
	back := st.Phase == rotate.Switching && !slices.Contains(st.Held, s.Signer) &&
		seen.Err == nil && seen.Ours(st).Selector == st.Target
	switch {
	case s.Duty != rotate.Signing || s.Reason.Code == codes.KeyMissing || s.Reason.Code == codes.SignerStrays && !back:
		return ""
	case s.Selector != st.Active:
		return st.Active
	case back:
		return st.Target
	}
	return ""
}
