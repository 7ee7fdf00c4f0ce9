package rotate

import (
	"maps"
	"slices"
	"time"
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
	origin := &Origin{Active: st.Active, SwitchedAt: st.SwitchedAt}
	for name, sel := range st.Selectors {
		earlier[name] = sel.setAside()
		for _, signer := range signers {
			fresh.Former = fresh.Former.uses(signer, name)
		}
	}
	copy(origin.Pair[:], slices.Sorted(maps.Keys(st.Selectors)))
	fresh.Selectors, fresh.Earlier, fresh.Origin = map[string]*Selector{}, earlier, origin
	for _, name := range p.Selectors { // a name that was the domain's once: receivers may remember its keys
		if sel := earlier[name]; sel != nil {
			if sel.takeBack(); sel.Key != nil { // no signer was given it; it is looked up again
				sel.Key.VerifiedAt = time.Time{}
				fresh.Enter(Bootstrapping)
				fresh.Target = p.Selectors[0]
			}
			fresh.Selectors[name] = sel
			delete(earlier, name)
		}
	}
	if fresh.Phase == Bootstrapping {
		fresh.knows(p.Selectors)
	}
	return fresh
}

// MovedBack returns the state of a domain as it was before it moved over to other selectors, which CanMoveBack has
// allowed. Signers that were given a new one are given the old one again, and the new records are left alone until
// their mail has arrived.
func MovedBack(st State, signers []string, now time.Time) State {
	fresh := CopyState(st)
	gone, origin := fresh.Selectors, *fresh.Origin
	back := fresh.Restarted()
	back.Selectors, back.Former = map[string]*Selector{}, fresh.Former
	for name, sel := range gone {
		if slices.Contains(origin.Pair[:], name) {
			continue // the policy named it again, and nothing was made there
		}
		back.Earlier[name] = sel.setAside()
		for _, signer := range signers {
			c, known := st.Signers[signer]
			given := st.Intent != nil && st.Intent.Kind == Activate && st.Intent.Signer == signer && st.Intent.Selector == name
			if given || known && (c.Selector == name || c.Unsure) {
				back.Former = back.Former.uses(signer, name)
			}
		}
	}
	for _, name := range origin.Pair {
		sel := back.Earlier[name]
		sel.takeBack()
		back.Selectors[name] = sel
		delete(back.Earlier, name)
	}
	back.Former = slices.DeleteFunc(back.Former, func(f Former) bool { return back.Selectors[f.Selector] != nil })
	back.Enter(Bootstrapping)
	back.Enter(Ready)
	back.Active, back.SwitchedAt, back.Origin = origin.Active, origin.SwitchedAt, nil
	back.Selectors[back.Active].LastUsedAt = now
	return back
}

// CanMoveBack reports whether the domain still has all that it had before it moved over to other selectors: no
// rotation has begun at the new ones, and no private key of the old ones was destroyed.
func CanMoveBack(st State) bool {
	if st.Origin == nil || st.Released != nil || st.Intent != nil && st.Intent.Kind == Destroy {
		return false
	}
	for _, name := range st.Origin.Pair {
		if sel := st.Earlier[name]; sel == nil || sel.Key == nil || sel.Key.Gone || sel.Key.Doomed {
			return false
		}
		if sel := st.Selectors[name]; sel != nil && !sel.untouched() {
			return false
		}
	}
	return st.Phase == New || st.Phase == Bootstrapping || st.Phase == Ready
}

// Origin is where a domain moved over from.
type Origin struct {
	Pair       [2]string `json:"pair"`
	Active     string    `json:"active"`
	SwitchedAt time.Time `json:"switched_at,omitzero"`
}

// setAside returns what is kept of a selector that is the domain's no more: its keys, until they are destroyed, and
// what receivers may keep.
func (s *Selector) setAside() *Selector {
	public := slices.DeleteFunc(s.keys(), func(k *Key) bool { return !k.mayBePublic() })
	kept := s.remembered(public)
	kept.Key, kept.Tried, kept.Retired = copyKey(s.Key), slices.Clone(s.Tried), slices.Clone(s.Retired)
	for _, k := range s.keys() {
		if !k.Gone {
			kept.Retired = append(kept.Retired, Retired{KeyID: k.ID, Version: k.Version, Leaked: !k.Leaked.IsZero()})
		}
	}
	return kept
}

// takeBack makes a selector that was set aside one of the domain's again, with the key that it had.
func (s *Selector) takeBack() {
	if s.Key == nil {
		return
	}
	is := func(id string) bool { return id == s.Key.ID }
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

// Unused reports whether a key at a selector that the domain had earlier is left, and no signer was ever given it.
func Unused(st State, selector string) bool {
	sel := st.Earlier[selector]
	return sel != nil && sel.Key != nil && sel.Key.Leaked.IsZero() &&
		!slices.ContainsFunc(st.Former, func(f Former) bool { return f.Selector == selector })
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
