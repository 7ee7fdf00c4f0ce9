package rotate

import (
	"slices"
	"time"
)

// disturbed notes which names were seen to hold somebody else's record. Resolvers may
// answer with that for its TTL after somebody has removed it. So the key's own record has
// to be seen alone again, and the wait begins then: without that, signers would be switched
// to a key that many receivers can't find (I2).
func (st *State) disturbed(seen Observation) {
	if st.Phase == New || st.Phase == Bootstrapping {
		return // what has never been verified is waited for anyway
	}
	for name, s := range seen.Selectors {
		sel := st.Selectors[name]
		if sel == nil || sel.Key == nil || s.SightErr != nil {
			continue
		}
		wait := max(sel.Key.CacheWait, CacheWait(s.Sight, 0))
		if sel.Key.VerifiedAt.IsZero() && sel.Key.CacheWait == wait {
			continue // it is waited for already
		}
		if !slices.ContainsFunc(s.Sight.Values, func(v string) bool { return !sel.Ours(v) }) {
			continue
		}
		sel.Key.VerifiedAt = time.Time{}
		sel.Key.CacheWait = wait
	}
}

// notLater moves what happened in DNS and in the keystore to now, where a clock that was
// ahead has noted a later time: unlike a signer's switch, it has no lag. Else the waits that
// count from there would hold up for days what has to be put right.
func (st *State) notLater(now time.Time) {
	for _, sel := range st.Selectors {
		for _, k := range []*Key{sel.Key, sel.Next} {
			if k == nil {
				continue
			}
			for _, t := range []*time.Time{&k.StoredAt, &k.PublishedAt, &k.VerifiedAt, &k.Leaked, &k.RevokedAt, &k.ShadowedAt} {
				if t.After(now) {
					*t = now
				}
			}
		}
	}
}
