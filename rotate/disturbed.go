package rotate

import (
	"slices"
	"time"
)

// Disturbed notes that a selector's name was seen to hold somebody else's record, if it was.
// Resolvers may answer with that for its TTL after somebody has removed it. So the key's own
// record has to be seen alone again, and the wait begins then: without that, signers would be
// switched to a key that many receivers can't find (I2). Where the domain is new, the record
// may be that of a key, which receivers keep as they keep a replaced one.
func (st *State) Disturbed(name string, s SelectorSeen) {
	sel := st.Selector(name)
	if s.SightErr != nil || !slices.ContainsFunc(s.Sight.Values, func(v string) bool { return !sel.Ours(v) }) {
		return
	}
	wait, fresh := CacheWait(s.Sight, 0), st.Phase == New || st.Phase == Bootstrapping
	if st.Selectors[name] == nil {
		if st.Phase != New {
			return // it is none of those that are managed
		}
		if st.Selectors == nil {
			st.Selectors = map[string]*Selector{}
		}
		st.Selectors[name] = &Selector{}
	}
	if noted := st.Selectors[name]; sel.Key == nil {
		noted.Preceded, noted.PrecededTTL = noted.Preceded || MayBeKey(s.Sight.Values), max(noted.PrecededTTL, wait)
		return
	}
	for _, key := range []*Key{sel.Key, sel.Next} {
		if key == sel.Key || key != nil && key.CacheWait > 0 { // else its publication is yet to begin
			key.VerifiedAt, key.CacheWait = time.Time{}, max(key.CacheWait, wait)
		}
	}
	sel.Key.Replaced = sel.Key.Replaced || fresh && !st.Relied(name) && MayBeKey(s.Sight.Values)
}
