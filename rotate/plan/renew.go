package plan

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// A standby's key is replaced before it was used when a person asks for it, as after the kind of keys was
// changed in the policy: else the next rotation would lead to one of the old kind.

// giveRenew notes that the standby's key is to be replaced.
func giveRenew(p *planner, st *rotate.State) ([]rotate.Event, error) {
	if err := p.unmanaged("replace the standby's key"); err != nil {
		return nil, err
	}
	if st.Phase != rotate.Ready {
		return nil, fault.Refuse(codes.NotAtRest,
			fmt.Sprintf("replace the standby's key of %s: it is %s, and has none that waits", p.Want.Name, st.Phase),
			"the selector that signed before gets a fresh key by itself when its drain is over; "+
				"'dkimbot status --domain "+p.Want.Name+"' says when")
	}
	s := p.Want.Policy.Other(st.Active)
	st.Selectors[s].Renew = true
	return []rotate.Event{{Kind: rotate.RenewStandby, Selector: s, KeyID: st.Selectors[s].Key.ID,
		Message: fmt.Sprintf("the standby %s gets a fresh %s key as soon as no mail needs the present one", s,
			kind(&p.draft))}}, nil
}

// renewAsked replaces the standby's key where a person asked for that, as soon as no mail in flight can need
// it and every signer says that it uses the other one. It reports whether the plan is made: a rotation
// that comes before is not waited with.
func renewAsked(p *planner, s string, rotation time.Time) bool {
	if !p.Have.Selector(s).Renew && !unfit(&p.draft, s) || !p.Idle(s) {
		return false
	}
	quiet, why := p.quiet(s), p.replaceReason(s)
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
