package wayout

import (
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Contested warns of signers that another program changes whenever they have confirmed a switch. dkimbot brings them
// back each time, so that no drift may be there when somebody looks.
func Contested(have rotate.State, now time.Time) (all []finding.Warning) {
	for _, name := range slices.Sorted(maps.Keys(have.Signers)) {
		c := have.Signers[name]
		says := finding.Contested(c.Undone)
		if says == "" || c.Left || c.Unsure || now.Sub(c.At) >= finding.ContestedFor {
			continue
		}
		all = append(all, finding.Warning{Code: codes.SignerStrays, About: finding.Thing{Signer: name},
			Message: "signer " + name + " signs with " + c.Selector + " now" + says})
	}
	return all
}
