package simulate

import (
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
)

// copyOf returns a copy of st that shares nothing with it.
func copyOf(st rotate.State) rotate.State {
	st.Selectors, st.Earlier = selectorsOf(st.Selectors), selectorsOf(st.Earlier)
	st.Signers = maps.Clone(st.Signers)
	st.Former, st.Held, st.Drift = slices.Clone(st.Former), slices.Clone(st.Held), slices.Clone(st.Drift)
	st.Accounts = slices.Clone(st.Accounts)
	st.Origin = pointee(st.Origin)
	st.OnHold, st.Released, st.Clock, st.Intent, st.Next = pointee(st.OnHold), pointee(st.Released), pointee(st.Clock),
		pointee(st.Intent), pointee(st.Next)
	return st
}

// selectorsOf returns a copy of selectors that shares nothing with them.
func selectorsOf[M ~map[string]*rotate.Selector](all M) M {
	out := make(M, len(all))
	for name, sel := range all {
		s := *sel
		s.Key, s.Next = pointee(sel.Key), pointee(sel.Next)
		s.Retired, s.Tried, s.Past = slices.Clone(sel.Retired), slices.Clone(sel.Tried), slices.Clone(sel.Past)
		out[name] = &s
	}
	return out
}

func pointee[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
