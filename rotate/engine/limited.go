package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/quota"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// wait puts a switch off that the counts hold back: it is what comes next. Where a
// person asked for it, it is refused instead. Other errors are returned as they are, and
// what failed beside the switch.
func (r *run) wait(ctx context.Context, err error) error {
	var held *quota.HeldBack
	if !errors.As(err, &held) || r.failed {
		return err
	}
	standby := health.Managing(r.want, r.st).Policy.Other(r.st.Active)
	if r.left.Asked || r.grant != nil {
		return r.refused("", fault.Refuse(codes.Threshold,
			fmt.Sprintf("start %s of %s: %v", wayout.Change(codes.ActionRotate, standby), r.want.Name, held),
			"try again "+held.When+", or start it now with "+rotate.FlagCounts))
	}
	why := rotate.Reason{Code: codes.Limit, Message: wayout.Change(codes.ActionRotate, standby) + " waits: " + held.Error()}
	r.plan.Steps, r.plan.Switches, r.plan.Reason, r.plan.Held = nil, false, why, held.Bound.Key
	r.plan.Next = &rotate.Next{Action: codes.ActionRotate, Selector: standby, At: held.Until, Reason: why}
	return r.rest(ctx)
}

// requestRefused reports whether err says that a limit refused what a person asked for, or that the domain
// was released.
func requestRefused(err error) bool {
	return slices.Contains([]codes.Code{codes.Released, codes.Window, codes.Freeze, codes.PlanOnly,
		codes.Threshold, codes.OnHold},
		fault.CodeOf(err)) && fault.KindOf(err) == fault.Refused
}
