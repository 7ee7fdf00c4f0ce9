package order

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Meant returns a report of compromised keys with the keys that are meant, by the state as it is when the report is
// given. It may be written only later, when another process has finished with the domain: signers may use other keys
// by then.
func Meant(have rotate.State, o rotate.Compromised) rotate.Compromised {
	o = everyKey(have, o)
	selectors := o.Selectors
	if len(selectors) == 0 {
		selectors = []string{have.Suspect()}
	}
	o.Keys = map[string]string{}
	for _, s := range selectors {
		if id := keyAt(have, s); id != "" {
			o.Keys[s] = id
		}
	}
	return o
}

// everyKey returns a report with the selectors that it names: where it is of every key, those at which the domain has
// one, and those that it had before and at which a private key is left.
func everyKey(have rotate.State, o rotate.Compromised) rotate.Compromised {
	if !o.EveryKey || len(o.Selectors) > 0 {
		return o
	}
	for _, s := range slices.Sorted(maps.Keys(have.Selectors)) {
		if have.Reportable(s) {
			o.Selectors = append(o.Selectors, s)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(have.Earlier)) {
		if !have.Earlier.Emptied(s) {
			o.Selectors = append(o.Selectors, s)
		}
	}
	return o
}

// keyAt returns the id of the key at a selector that the domain has, or had.
func keyAt(st rotate.State, selector string) string {
	if sel := rotate.SelectorAt(st, selector); sel != nil && sel.Key != nil {
		return sel.Key.ID
	}
	return ""
}

// whatStands returns a report of those keys that stand where they stood when it was given. Of each other it says that
// another one took its place: nothing else is left of it than a private key to be destroyed.
func whatStands(o rotate.Compromised, st *rotate.State,
	name func(string) dkim.Name) (rotate.Compromised, []rotate.Event) {
	named := o.Selectors
	if len(named) == 0 {
		for s, id := range o.Keys { // one
			if s == st.Suspect() && keyAt(*st, s) == id {
				return o, nil
			}
			named = []string{s}
		}
	}
	var events []rotate.Event
	o.Selectors = slices.DeleteFunc(slices.Clone(named), func(s string) bool {
		id := o.Keys[s]
		if id == "" || keyAt(*st, s) == id {
			return false
		}
		if sel := rotate.SelectorAt(*st, s); sel != nil {
			for i := range sel.Retired {
				sel.Retired[i].Leaked = sel.Retired[i].Leaked || sel.Retired[i].KeyID == id
			}
		}
		events = append(events, rotate.Event{Kind: rotate.ReportCompromised, Selector: s, KeyID: id, Code: codes.GoneAlready,
			Message: fmt.Sprintf("key %s, which was reported as compromised, is not published at %s any more: "+
				"another process has replaced or removed it meanwhile", dkim.ShortID(id), name(s))})
		return true
	})
	return o, events
}
