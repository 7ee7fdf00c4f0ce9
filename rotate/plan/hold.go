package plan

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// A domain on hold begins no switch. A rotation under way continues to its end, and so does everything that
// keeps mail signed and verifiable.

// giveHold notes that the domain is on hold.
func giveHold(p *planner, st *rotate.State) ([]rotate.Event, error) {
	if err := p.unmanaged("put the domain on hold"); err != nil {
		return nil, err
	}
	message := "put on hold: no switch begins until 'dkimbot unhold --domain " + p.Want.Name + "'"
	if st.OnHold != nil && st.OnHold.KeyID == "" {
		message = "it was on hold already, since " + calendar.Utc(st.OnHold.At)
	} else {
		st.OnHold = &rotate.OnHold{At: p.Now}
	}
	if st.Phase != rotate.Ready {
		message += "; the rotation under way continues"
	}
	return []rotate.Event{{Kind: rotate.PutOnHold, Selector: st.Active, Message: message}}, nil
}

// giveUnhold notes that the hold has ended.
func giveUnhold(p *planner, st *rotate.State) ([]rotate.Event, error) {
	if st.OnHold == nil {
		return nil, fault.Refuse(codes.NotOnHold, "end the hold of "+p.Want.Name+": it is not on hold",
			"nothing has to be done; 'dkimbot status --domain "+p.Want.Name+"' says what comes next")
	}
	message := "the hold of " + calendar.Utc(st.OnHold.At) + " has ended: the schedule continues"
	st.OnHold = nil
	return []rotate.Event{{Kind: rotate.TakeOff, Selector: st.Active, Message: message}}, nil
}

// onHold returns the bar that a hold is for a change, nil for none. Who asks for a rotation after a
// rollback has decided about the key.
func onHold(d *draft, action codes.Action, selector string, req rotate.Request) *bar {
	h := d.Have.OnHold
	if !h.Concerns(d.Have.Selector(selector).Key) || action != codes.ActionRotate || h.KeyID != "" && req.Asked {
		return nil
	}
	says := "it is on hold since " + calendar.Utc(h.At)
	if h.By != "" {
		says += " (" + h.By + ")"
	}
	if h.KeyID != "" {
		says = "signers went back from this key, at " + calendar.Utc(h.At)
	}
	return &bar{code: codes.OnHold, says: says + "; 'dkimbot unhold --domain " + d.Want.Name + "' ends that"}
}

// allBars returns all that holds a change back at a time: first that the domain is on hold.
func allBars(d *draft, action codes.Action, selector string, now time.Time, req rotate.Request) (held []bar,
	opens time.Time, err error) {
	held, opens, err = bars(d.Want.Limits, now, req)
	if b := onHold(d, action, selector, req); b != nil && err == nil {
		return append([]bar{*b}, held...), time.Time{}, nil
	}
	return held, opens, err
}
