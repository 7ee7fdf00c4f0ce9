package adoption

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// The functions of this file note in a state what becomes of an adoption.

// Began notes that a key is about to be adopted, and enters the phase in which
// the other selector gets its key (I7).
func Began(st *rotate.State, i rotate.Intent, p rotate.Policy, signs string) {
	st.Enter(rotate.Bootstrapping)
	st.Intent, st.Target = &i, signs
	st.Knows(p.Selectors)
	if sel := st.Selectors[i.Selector]; !slices.Contains(sel.Tried, i.KeyID) {
		sel.Tried = append(sel.Tried, i.KeyID)
	}
}

// Done notes that the key is in the keystore and was read back, and that the
// record that DNS shows is ours: also when a sounder one is to take its place.
// Resolvers may keep it for the TTL that somebody gave it.
func Done(st *rotate.State, selector string, k rotate.Key, shown string, ttl time.Duration) {
	sel := st.Selectors[selector]
	sel.Key, sel.Tried, sel.TTL, st.Intent = &k, nil, max(sel.TTL, ttl), nil
	if !dkim.SameRecord(shown, k.Record) {
		sel.Past = append(sel.Past, k.ID)
	}
}

// PassedOver notes that the keystore holds, as a newer version than the adopted key,
// one that was never published: it is destroyed.
func PassedOver(s *rotate.Selector, keyID string, version int) {
	if keyID != "" && keyID != s.Key.ID && !s.Dropped(keyID) {
		s.Retired = append(s.Retired, rotate.Retired{KeyID: keyID, Version: version, Dropped: true})
	}
}
