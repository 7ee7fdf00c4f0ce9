package rotate

import (
	"maps"
	"slices"
	"time"
)

// Origin is where a domain moved over from.
type Origin struct {
	Pair       [2]string `json:"pair"`
	Active     string    `json:"active"`
	SwitchedAt time.Time `json:"switched_at,omitzero"`
}

// Remainder returns what is kept of a selector that is the domain's no more: its keys, until they are destroyed, and
// what receivers may keep.
func (s *Selector) Remainder() *Selector {
	public := slices.DeleteFunc(s.keys(), func(k *Key) bool { return !k.MayBePublic() })
	kept := s.remembered(public)
	kept.Key, kept.Tried, kept.Retired = pointee(s.Key), slices.Clone(s.Tried), slices.Clone(s.Retired)
	for _, k := range s.keys() {
		if !k.Gone {
			kept.Retired = append(kept.Retired, Retired{KeyID: k.ID, Version: k.Version, Leaked: !k.Leaked.IsZero()})
		}
	}
	return kept
}

// TakeBack makes a selector that was set aside one of the domain's again, with the key that it had, or that may yet
// appear in the keystore.
func (s *Selector) TakeBack() {
	is := func(id string) bool { return s.Key != nil && id == s.Key.ID || slices.Contains(s.Tried, id) }
	s.Past = slices.DeleteFunc(s.Past, is)
	s.Retired = slices.DeleteFunc(s.Retired, func(r Retired) bool { return is(r.KeyID) })
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

// SelectorAt returns a selector that a domain has, or had earlier; nil for any other.
func SelectorAt(st State, selector string) *Selector {
	if sel := st.Selectors[selector]; sel != nil {
		return sel
	}
	return st.Earlier[selector]
}

// left returns a selector that is not the domain's any more, nil for one that is.
func left(st *State, selector string) *Selector {
	if st.Selectors[selector] != nil {
		return nil
	}
	return st.Earlier[selector]
}

// Drain returns how long mail that was signed with a selector is waited for, where the policy says drain: as long as it
// said while the selector was the domain's, if that is longer (I2).
func (e Earlier) Drain(selector string, drain time.Duration) time.Duration {
	if sel := e[selector]; sel != nil {
		return max(drain, sel.Drain)
	}
	return drain
}
