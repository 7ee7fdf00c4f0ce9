package order

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// giveHold notes that the domain is on hold.
func giveHold(p *order, st *rotate.State) ([]rotate.Event, error) {
	if err := p.unmanaged("put " + p.Want.Name + " on hold"); err != nil {
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
func giveUnhold(p *order, st *rotate.State) ([]rotate.Event, error) {
	if st.OnHold == nil {
		return nil, fault.Refuse(codes.NotOnHold, "end the hold of "+p.Want.Name+": it is not on hold",
			"nothing has to be done; 'dkimbot status --domain "+p.Want.Name+"' says what comes next")
	}
	message := "the hold of " + calendar.Utc(st.OnHold.At) + " has ended: the schedule continues"
	st.OnHold = nil
	return []rotate.Event{{Kind: rotate.EndHold, Selector: st.Active, Message: message}}, nil
}
