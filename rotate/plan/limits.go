package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// bar is a rule of the limits that holds a change back now.
type bar struct {
	code      codes.Code
	key, flag string
	says      string // that it does, and since when or until when
}

// bars returns the rules that hold a change back at now, and when it may begin:
// the zero time where that is not a matter of time.
func bars(l rotate.Limits, now time.Time, req rotate.Request) (held []bar, opens time.Time, err error) {
	if l.PlanOnly && !req.Approved && !req.Ignore.PlanOnly {
		held = append(held, bar{codes.PlanOnly, l.PlanOnlyKey, rotate.FlagPlanOnly,
			fmt.Sprintf("its changes start only with an applied plan (%s)", l.PlanOnlyKey)})
	}
	hours, err := l.Hours(req.Ignore)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, b := range hours.Bars(now) {
		if b.Freeze {
			held = append(held, bar{codes.Freeze, b.Key, rotate.FlagFreezes,
				fmt.Sprintf("a freeze holds until %s (%s)", calendar.Utc(b.Until), b.Key)})
		} else {
			held = append(held, bar{codes.Window, b.Key, rotate.FlagWindows,
				fmt.Sprintf("no maintenance window is open before %s (%s)", calendar.Utc(b.Until), b.Key)})
		}
	}
	if len(held) > 0 && held[0].code != codes.PlanOnly {
		opens, _ = hours.Open(now)
	}
	return held, opens, nil
}

// closed reports whether a change that is due may not begin now. Then the plan says so: as a refusal where a person
// asked for the change, else as what comes next. It is asked where a change begins, and nowhere else; see Limits.
func (d *draft) closed(action codes.Action, selector string) bool {
	held, opens, err := allBars(d, action, selector, d.Now, d.req)
	switch {
	case err != nil:
		d.stop(fault.Lasting("check whether a change of "+d.Want.Name+" may start now", err,
			"correct the limits in the configuration"))
		return true
	case len(held) == 0:
		return false
	}
	d.plan.Held = held[0].key
	why := rotate.Reason{Code: held[0].code, Message: wayout.Change(action, selector) + " waits: " + sayAll(held)}
	if d.req.Asked || d.req.Named && held[0].code != codes.OnHold {
		d.stop(d.refusal(fmt.Sprintf("start %s of %s: %s", wayout.Change(action, selector), d.Want.Name, sayAll(held)), held))
		return true
	}
	if opens.IsZero() {
		opens = d.Now.Truncate(planLook).Add(planLook)
	}
	d.plan.Reason = why
	d.plan.Next = &rotate.Next{Action: action, Selector: selector, At: opens, Reason: why}
	return true
}

// planLook is how often a domain that waits for an applied plan is looked at.
const planLook = 6 * time.Hour

// refusal says how a person can continue in spite of the rules: with exactly the flags that override them.
func (d *draft) refusal(what string, held []bar) error {
	if held[0].code == codes.OnHold {
		return fault.Refuse(codes.OnHold, what, "'dkimbot unhold --domain "+d.Want.Name+
			"' ends the hold; 'dkimbot history --domain "+d.Want.Name+"' says who put it on hold")
	}
	var flags []string
	for _, r := range held {
		flags = append(flags, r.flag)
	}
	hint := "wait until then"
	if held[0].code == codes.PlanOnly {
		command := "dkimbot plan --domain " + d.Want.Name
		if d.req.Asked {
			command = "dkimbot rotate --domain " + d.Want.Name + " --dry-run"
		}
		hint = "save a plan with '" + command + " --out FILE', have it reviewed and run 'dkimbot apply FILE'"
		if d.adoption {
			hint = "an adoption can't be saved as a plan: have what --dry-run says reviewed"
		}
	}
	return fault.Refuse(held[0].code, what, hint+"; or start it now with "+strings.Join(flags, " "))
}

func sayAll(held []bar) string {
	says := make([]string, len(held))
	for i, r := range held {
		says[i] = r.says
	}
	return strings.Join(says, ", and ")
}

// opening moves what comes next to the time at which it may begin, and says why. What a person asked for is
// not moved: it is refused when its time has come, so that the delay surprises no one.
func (d *draft) opening(n rotate.Next) *rotate.Next {
	if d.req.Asked {
		return &n
	}
	later := d.req
	later.Approved = true // a plan may be applied by then
	held, opens, err := allBars(d, n.Action, n.Selector, n.At, later)
	if err == nil && len(held) > 0 && held[0].code == codes.OnHold {
		n.Reason = rotate.Reason{Code: codes.OnHold, Message: n.Reason.Message + ", but " + sayAll(held[:1])}
	} else if err == nil && len(held) > 0 && !opens.IsZero() {
		n.At, n.Reason = opens, rotate.Reason{Code: held[0].code, Message: n.Reason.Message +
			"; when that is due, " + sayAll(held)}
	}
	return &n
}
