package plan

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate/health"
)

// inTurn returns the signers in the order in which they are switched: those that are late come last, so that they delay
// no other, nor a revocation that comes before them.
func inTurn(d *draft) []string {
	late := func(name string) int {
		switch {
		case health.Late(&d.Judge, name):
			return 2
		case d.Have.Intent.Switches(name): // it was cut off once
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(d.Want.Signers), func(a, b string) int { return late(a) - late(b) })
}
