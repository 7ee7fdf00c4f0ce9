package foresight

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// OneName takes out of the plans of several domains what would come to a place in DNS at which an earlier one
// of them is about to publish: the run that is first holds the place (I2). Runs work on many domains at once, so that
// the plans can't know which one that will be, and say so. A new domain gets both of its places, or no key. It changes
// the plans.
func OneName(plans []rotate.DomainPlan) {
	holders := map[string]dkim.Name{} // by the place
	for i, made := range plans {
		places := published(made)
		var all []refusal
		for owner, name := range places {
			if err := ports.Shared(owner, name, holders[owner]); err != nil {
				all = append(all, refusal{undecided(err, name.Domain, holders[owner].Domain), func(s rotate.Step) bool {
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

// undecided says with a refusal that a run may give the place to the other domain.
func undecided(err error, refused, holder string) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	said := *f
	said.What += fmt.Sprintf("; no key stands there yet, so a run may also come to %s first, and refuse %s", refused, holder)
	return &said
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
