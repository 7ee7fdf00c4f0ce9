package observe

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
)

// elsewhere returns the selectors that are none of a managed domain's, that signers say they sign with, and that were
// not looked at.
func elsewhere(have rotate.State, seen rotate.Observation) (names []string) {
	for _, s := range seen.Signers {
		for _, ref := range s.Refs() {
			if _, looked := seen.Left[ref.Selector]; !looked && have.Active != "" && have.Selectors[ref.Selector] == nil {
				names = append(names, ref.Selector)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
