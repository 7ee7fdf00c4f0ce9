package foresight

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// OneName takes out of the plans of several domains what would come to a place in DNS at which an earlier one
// of them is about to publish: the run that is first holds the place (I2). It changes the plans.
func OneName(plans []rotate.DomainPlan) {
	holders := map[string]dkim.Name{} // by the place
	for i, made := range plans {
		var all []refusal
		for _, s := range made.Steps {
			owner, name := made.Seen.Selectors[s.Selector].Sight.Owner, dkim.Name{Domain: made.Name, Selector: s.Selector}
			if s.Kind != rotate.Publish || owner == "" {
				continue
			}
			if holders[owner] == (dkim.Name{}) {
				holders[owner] = name
			}
			if err := ports.Shared(owner, name, holders[owner]); err != nil {
				all = append(all, refusal{err, func(s rotate.Step) bool {
					return s.Selector == name.Selector && kinds(rotate.Generate, rotate.StoreKey, rotate.Publish)(s)
				}})
			}
		}
		plans[i] = without(made, all)
	}
}
