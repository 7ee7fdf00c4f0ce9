package plan

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// A domain on hold begins no switch. A rotation under way continues to its end, and so does everything that
// keeps mail signed and verifiable.

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
		says = "signers went back from this key (in effect from " + calendar.Utc(h.At) + ")"
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
