package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// The third step of the scheme: mail that was signed with the old key arrives.

// draining waits until no mail in flight needs the old key, then replaces it.
func (p *planner) draining(busy bool) {
	s := p.Have.Draining
	until := health.DrainedAt(&p.Judge, s)
	leaked := p.Have.Leaked(s)
	over := leaked || p.Replaced(s) || !p.Now.Before(until)
	if len(p.Drifted()) > 0 && !p.Replaced(s) {
		// A signer that drifted may have signed with the old selector until now:
		// the drain starts again when it has come back (I2, I10).
		over, until = false, p.Now.Add(p.Have.Selector(s).DrainUnder(p.Want.Policy))
	}
	switch {
	case leaked:
		p.plan.Reason = rotate.Reason{Code: codes.Compromised, Message: "the key at " + s +
			" was reported as compromised: it is revoked and destroyed, and a fresh key takes its place"}
		p.revoke(rotate.Revocation, s, time.Time{})
		if key := p.Have.Selector(s).Key; !p.MayBeInHands(key.ID) {
			p.destroyLeaked(s, time.Time{})
		}
		if p.obstacles[s] == nil {
			p.replace(s)
		}
	case p.OnlyUnseen(s) && p.obstacles[s] == nil:
		p.replace(s)
	case p.obstacle() != nil && !leadsOut(p, s): // the old key is the way back, and stays until all is well
		for _, r := range p.Have.Selector(s).Retired { // one that was reported is none
			if r.Leaked && !p.MayBeInHands(r.KeyID) {
				p.destroyReplaced(s, r)
			}
		}
	case !over:
		p.because(p.drain(s, until))
	case !busy || leadsOut(p, s):
		p.replace(s)
	}
}

// leadsOut reports whether nothing but a fresh key at the selector ends that mail fails, and no mail verifies by the
// key that it would replace there.
func leadsOut(p *planner, s string) bool {
	return p.obstacles[""] == nil && p.obstacles[s] == nil && health.LeadsOut(&p.Check, s) &&
		!slices.ContainsFunc(p.Want.Signers, func(name string) bool {
			seen := p.Seen.Signers[name]
			ref := p.Have.Identify(seen.Ref)
			return seen.Err == nil && ref.Selector == s && p.Seen.Fate(s, ref.KeyID) == rotate.Verifies
		})
}

// drain plans the wait for mail that was signed with selector s.
func (d *draft) drain(s string, until time.Time) rotate.Reason {
	drain, promised := d.Have.Selector(s).DrainUnder(d.Want.Policy), ""
	if drain > d.Want.Policy.Drain {
		promised = ", which was the drain while it signed,"
	}
	why := rotate.Reason{Code: codes.Drain,
		Message: fmt.Sprintf("mail signed with %s may be in flight, and receivers may keep its key, "+
			"for %s%s after the last signer's switch is in effect; then %s gets a fresh key", s, calendar.Span(drain), promised, s)}
	d.step(rotate.Step{Kind: rotate.Drain, Duty: rotate.Turn, Selector: s, Target: d.Name(s).String(), NotBefore: until,
		Reason: why})
	return why
}
