package plan

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// A compromised key that is not revoked can be used by whoever has it. Where dkimbot can't do more about it, a
// warning says so, and how a person can revoke the key anyway.

// warnExposed says at the end of a plan that a compromised key stays in use: with what stops
// the plan, or as a warning where only waits are left, or what the plan does does not end it.
func (p *planner) warnExposed() {
	out := slices.DeleteFunc(p.ExposedKeys(), func(s string) bool { return p.revoked[s] })
	flight := wayout.FlightOf(p.waiting, p.Have, p.Now)
	switch {
	case len(out) == 0:
	case flight != nil && (p.plan.Stop != nil || !p.acts):
		p.warn(codes.CompromisedInUse, finding.Exposure(out), "%s; '%s' revokes it now, and all mail fails until then",
			p.LeftAt(out, *flight), p.RevokeNow(out))
	case flight != nil: // it is said when nothing is left to do before that
	case p.plan.Stop != nil:
		p.plan.Stop = p.StayInUse(out, p.plan.Stop)
	case p.acts && p.Have.Phase == rotate.Replacing: // nothing else in the plan shows that an emergency is open
		p.warn(codes.CompromisedInUse, finding.Exposure(out), "%s", wayout.InUseStill(&p.Judge, out))
	case !p.acts:
		p.warn(codes.CompromisedInUse, finding.Exposure(out), "%s; '%s' revokes it now anyway",
			p.StillUsed(out), p.RevokeNow(out))
	}
}
