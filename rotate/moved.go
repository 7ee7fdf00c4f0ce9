package rotate

import (
	"maps"
	"slices"
)

// Moved returns the state of a domain that begins again with other selectors. Its signers continue to sign as they do
// until they are given the new ones, as those of a domain that is moved over to dkimbot: to the domain the old
// selectors are former ones from here on. Their private keys are kept until no mail needs them.
func Moved(st State, p Policy, signers []string) State {
	fresh := CopyState(st).Restarted()
	earlier := fresh.Earlier
	if earlier == nil {
		earlier = Earlier{}
	}
	for name, sel := range st.Selectors {
		old := fresh.Selectors[name]
		old.Retired = slices.Clone(sel.Retired)
		for _, k := range sel.keys() {
			if !k.Gone {
				old.Retired = append(old.Retired, Retired{KeyID: k.ID, Version: k.Version})
			}
		}
		earlier[name] = old
		for _, signer := range signers {
			fresh.Former = fresh.Former.uses(signer, name)
		}
	}
	fresh.Selectors, fresh.Earlier = map[string]*Selector{}, earlier
	for _, name := range p.Selectors { // a name that was the domain's once: receivers may remember its keys
		if sel := earlier[name]; sel != nil {
			fresh.Selectors[name] = sel
			delete(earlier, name)
		}
	}
	return fresh
}

// Earlier are the selectors that a domain had, by their names.
type Earlier map[string]*Selector

// Emptied reports whether no private key is kept any more at a selector that the domain had earlier.
func (all Earlier) Emptied(selector string) bool {
	sel := all[selector]
	return sel == nil || len(sel.Retired) == 0
}

// Names returns the selectors, in order.
func (all Earlier) Names() []string { return slices.Sorted(maps.Keys(all)) }

// left returns a selector that is not the domain's any more, nil for one that is.
func left(st *State, selector string) *Selector {
	if st.Selectors[selector] != nil {
		return nil
	}
	return st.Earlier[selector]
}

func copySelectors(all map[string]*Selector) map[string]*Selector {
	c := make(map[string]*Selector, len(all))
	for name, sel := range all {
		if sel == nil {
			continue
		}
		s := *sel
		s.Key, s.Next = copyKey(sel.Key), copyKey(sel.Next)
		s.Retired, s.Tried, s.Past = slices.Clone(sel.Retired), slices.Clone(sel.Tried), slices.Clone(sel.Past)
		c[name] = &s
	}
	return c
}
