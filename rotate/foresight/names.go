package foresight

import (
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// OneName takes out of the plans of several domains what would come to a place in DNS at which an earlier one
// of them is about to publish: the run that is first holds the place (I2). A new domain gets both of its places, or
// no key. It changes the plans.
func OneName(plans []rotate.DomainPlan) {
	holders := map[string]dkim.Name{} // by the place
	for i, made := range plans {
		places := published(made)
		var all []refusal
		for owner, name := range places {
			if err := ports.Shared(owner, name, holders[owner]); err != nil {
				all = append(all, refusal{err, func(s rotate.Step) bool {
					whole := (made.Phase == rotate.New || Moves(made.Ordered)) && s.Duty == rotate.Turn
					return whole || s.Selector == name.Selector && kinds(rotate.Generate, rotate.StoreKey, rotate.Publish)(s)
				}})
			}
		}
		slices.SortFunc(all, func(a, b refusal) int { return strings.Compare(a.err.Error(), b.err.Error()) })
		plans[i] = without(made, all)
		for owner, name := range published(plans[i]) {
			holders[owner] = name
		}
	}
}

// Moves reports whether what was ordered moves a domain over to other selectors.
func Moves(ordered []rotate.Event) bool {
	return slices.ContainsFunc(ordered, func(e rotate.Event) bool { return e.Kind == rotate.NewSelectors })
}

// published returns the names whose records a plan publishes, by the place to which each leads.
func published(made rotate.DomainPlan) map[string]dkim.Name {
	places := map[string]dkim.Name{}
	for _, s := range made.Steps {
		if owner := made.Seen.Selectors[s.Selector].Sight.Owner; s.Kind == rotate.Publish && owner != "" {
			places[owner] = dkim.Name{Domain: made.Name, Selector: s.Selector}
		}
	}
	return places
}
