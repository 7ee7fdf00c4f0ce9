package follow

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// OffTheList says that a signer which is no longer listed still signs with a selector that the domain had earlier, as
// one that was taken off the list during a move: it is given no other key.
func OffTheList(st rotate.State, seen rotate.Observation, signer string) *finding.Finding {
	says := seen.Dismissed[signer]
	if says.Err != nil || st.Released != nil {
		return nil
	}
	for _, ref := range says.Refs() {
		left := st.Earlier[ref.Selector]
		if left == nil || st.Selectors[ref.Selector] != nil {
			continue
		}
		fate := "verifies, because the record is kept as long as it does"
		switch key := left.Key; {
		case key == nil || ref.KeyID != "" && ref.KeyID != key.ID:
			fate = "fails, because that key was replaced"
		case !key.RevokedAt.IsZero():
			fate = "fails, because that key was revoked"
		case !key.Leaked.IsZero():
			fate = "fails when that key, which is compromised, is revoked: nothing waits for this signer"
		}
		return &finding.Finding{Code: codes.SignerLeftOver, Signer: signer, Asks: true,
			Message: fmt.Sprintf("signer %s is no longer listed at %s and still signs its mail with %s; that mail %s",
				signer, st.Domain, ref.Selector, fate),
			Repair: fmt.Sprintf("list %s at %s again, or take %[2]s out of its tables, also where dkimbot wrote the lines",
				signer, st.Domain)}
	}
	return nil
}
