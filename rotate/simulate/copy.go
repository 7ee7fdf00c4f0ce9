package simulate

import (
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
)

// copyOf returns a copy of st that shares nothing with it.
func copyOf(st rotate.State) rotate.State {
	selectors := st.Selectors
	st.Selectors = make(map[string]*rotate.Selector, len(selectors))
	for name, sel := range selectors {
		s := *sel
		s.Key, s.Next = pointee(sel.Key), pointee(sel.Next)
		s.Retired, s.Tried, s.Past = slices.Clone(sel.Retired), slices.Clone(sel.Tried), slices.Clone(sel.Past)
		st.Selectors[name] = &s
	}
	earlier := st.Earlier
	st.Earlier = maps.Clone(earlier)
	for name, sel := range earlier {
		s := *sel
		s.Retired, s.Past = slices.Clone(sel.Retired), slices.Clone(sel.Past)
		st.Earlier[name] = &s
	}
	st.Signers = maps.Clone(st.Signers)
	st.Former, st.Held, st.Drift = slices.Clone(st.Former), slices.Clone(st.Held), slices.Clone(st.Drift)
	st.Accounts = slices.Clone(st.Accounts)
	st.OnHold, st.Released, st.Clock, st.Intent, st.Next = pointee(st.OnHold), pointee(st.Released), pointee(st.Clock),
		pointee(st.Intent), pointee(st.Next)
	return st
}

func pointee[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
