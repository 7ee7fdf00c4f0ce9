package rotate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Disturbed notes that a selector's name was seen to hold somebody else's record, to lead nowhere or to show a
// wildcard's, if it was. Resolvers may answer with that for its TTL after it has gone. So the
// key's own record has to be seen alone again, and the wait begins then: without that, signers
// would be switched to a key that many receivers can't find (I2). What stood there may be the
// record of a key, which receivers keep as they keep a replaced one. It reports whether the state has changed.
func (st *State) Disturbed(name string, s SelectorSeen, now time.Time) bool {
	if left(st, name) != nil {
		return false // no signer is given its key
	}
	sel := st.Selector(name)
	other := append(slices.DeleteFunc(slices.Clone(s.Sight.Values), sel.Ours), s.Sight.Wildcard...)
	// What a name that is refused leads to was seen: the record of another selector, or, astray, nothing.
	astray := fault.KindOf(s.SightErr) != fault.Transient && s.Sight.Complete && len(s.Sight.Values) == 0
	if !astray && (s.SightErr != nil && fault.CodeOf(s.SightErr) != codes.SharedName || len(other) == 0) {
		return false
	}
	wait := CacheWait(s.Sight, 0)
	if st.Selectors[name] == nil {
		if st.Phase != New {
			return false // it is none of those that are managed
		}
		if st.Selectors == nil {
			st.Selectors = map[string]*Selector{}
		}
		st.Selectors[name] = &Selector{}
	}
	if noted := st.Selectors[name]; sel.Key == nil {
		noted.Preceded, noted.PrecededTTL = noted.Preceded || MayBeKey(other), max(noted.PrecededTTL, wait)
		return noted.Preceded != sel.Preceded || noted.PrecededTTL != sel.PrecededTTL
	}
	changed := false
	lacked := st.refuge(name) && slices.ContainsFunc(s.Sight.Values, sel.Ours) &&
		!slices.ContainsFunc(other, func(v string) bool { return !slices.Contains(s.Sight.Wildcard, v) })
	if MayBeKey(other) {
		if sel.Key.ShadowedAt.IsZero() || !lacked && !sel.Key.VerifiedAt.IsZero() { // once, not at each look
			sel.Key.ShadowedAt, changed = now, true
		}
		replaced := sel.Key.Replaced || !st.Signers.reached(name, false)
		changed = changed || replaced != sel.Key.Replaced
		sel.Key.Replaced = replaced
	}
	if lacked {
		return changed
	}
	for _, key := range []*Key{sel.Key, sel.Next} {
		if key == sel.Key || key != nil && key.CacheWait > 0 { // else its publication is yet to begin
			changed = changed || !key.VerifiedAt.IsZero() || key.CacheWait < wait
			key.VerifiedAt, key.CacheWait = time.Time{}, max(key.CacheWait, wait)
		}
	}
	return changed
}

// refuge reports whether signers leave a compromised active key for a selector's. A server that lacks its record, and
// shows a wildcard's instead, is then like one that shows nothing: whether signers wait for it is said where they flee.
func (st *State) refuge(name string) bool {
	return name != st.Active && st.Leaked(st.Active) && st.Phase != Bootstrapping
}
