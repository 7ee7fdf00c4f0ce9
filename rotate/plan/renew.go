package plan

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/algorithm"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// A person can ask that the standby's key is replaced before it is used, for example after the policy names
// another kind of key: else the next rotation would switch to a key of the old kind.

// renewAsked replaces the standby's key where a person asked for that, as soon as no mail in flight can need
// it and every signer says that it uses the other one. It reports whether the plan is made: a rotation
// that is due before that is not delayed.
func renewAsked(p *planner, s string, rotation time.Time) bool {
	if !p.Have.Selector(s).Renew && !algorithm.Unfit(&p.Check, s) || !p.Idle(s) {
		return false
	}
	quiet, why := wayout.Quiet(&p.Judge, s), wayout.ReplaceReason(&p.Check, s)
	if !p.Now.Before(quiet) {
		p.replace(s)
		return true
	}
	if !quiet.Before(rotation) {
		return false
	}
	why.Message += ", when mail that may have been signed with the present one has arrived"
	p.plan.Reason, p.plan.Next = why, &rotate.Next{Action: codes.ActionReplace, Selector: s, At: quiet, Reason: why}
	return true
}
