package order

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/algorithm"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// giveRenew notes that the standby's key is to be replaced.
func giveRenew(p *order, st *rotate.State) ([]rotate.Event, error) {
	if err := p.unmanaged("replace the standby's key of " + p.Want.Name); err != nil {
		return nil, err
	}
	if st.Phase != rotate.Ready {
		return nil, fault.Refuse(codes.NotAtRest,
			fmt.Sprintf("replace the standby's key of %s: it is %s, and has none that waits", p.Want.Name, st.Phase),
			"the selector that signed before gets a fresh key by itself when its drain is over; "+
				"'dkimbot status --domain "+p.Want.Name+"' says when")
	}
	if err := p.SelectorsChanged(); err != nil {
		return nil, err
	}
	s := p.Want.Policy.Other(st.Active)
	st.Selectors[s].Renew = true
	return []rotate.Event{{Kind: rotate.RenewStandby, Selector: s, KeyID: st.Selectors[s].Key.ID,
		Message: fmt.Sprintf("the standby %s gets a fresh %s key as soon as no mail needs the present one", s,
			algorithm.Next(&p.Check))}}, nil
}
