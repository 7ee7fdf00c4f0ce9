package rotate

import (
	"maps"
	"slices"
)

// CopyState returns a copy of st that shares nothing with it.
func CopyState(st State) State {
	st.Selectors = copySelectors(st.Selectors)
	if st.Earlier != nil {
		st.Earlier = copySelectors(st.Earlier)
	}
	if st.Signers = maps.Clone(st.Signers); st.Signers == nil {
		st.Signers = Confirmations{}
	}
	st.Former, st.Held, st.Drift = slices.Clone(st.Former), slices.Clone(st.Held), slices.Clone(st.Drift)
	st.Accounts, st.Exchanged, st.Parted = slices.Clone(st.Accounts), st.Exchanged.Copy(), slices.Clone(st.Parted)
	st.Origin, st.OnHold, st.Released = pointee(st.Origin), pointee(st.OnHold), pointee(st.Released)
	st.Clock, st.Intent, st.Next = pointee(st.Clock), pointee(st.Intent), pointee(st.Next)
	if st.Intent != nil {
		st.Intent.Beside = slices.Clone(st.Intent.Beside)
	}
	return st
}

func copySelectors(all map[string]*Selector) map[string]*Selector {
	c := make(map[string]*Selector, len(all))
	for name, sel := range all {
		if sel == nil {
			continue
		}
		s := *sel
		s.Key, s.Next = pointee(sel.Key), pointee(sel.Next)
		s.Retired, s.Tried, s.Past = slices.Clone(sel.Retired), slices.Clone(sel.Tried), slices.Clone(sel.Past)
		c[name] = &s
	}
	return c
}

// pointee returns a pointer to a copy of what p points to.
func pointee[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
