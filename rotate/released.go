package rotate

import (
	"slices"
	"time"
)

// ReleaseState says that a domain was released: dkimbot does nothing for it any
// more, except, with Purge, to purge what it made.
type ReleaseState struct {
	At    time.Time `json:"at"`
	Purge bool      `json:"purge,omitempty"`
	// until when a signer may have signed with a key of ours, as far as is known
	LastUsed time.Time `json:"last_used,omitzero"`
	// the last look found that none does any more; else one may have since LastUsed
	Unused bool      `json:"unused,omitempty"`
	Begun  bool      `json:"begun,omitempty"` // the purge was begun: there is no way back before it is done
	Purged time.Time `json:"purged,omitzero"` // when everything was purged
}

// StillUsed notes until when the keys of a released domain may have been in use, so that the drain counts from then:
// until the first look that finds no user any more, and for as long as a signer may continue with its old tables.
func (st *State) StillUsed(want Domain, seen Observation, lags map[string]time.Duration, now time.Time) {
	if st.Released == nil || !st.Released.Purge || !st.Released.Purged.IsZero() {
		return
	}
	used, until := false, now
	for _, name := range want.Signers {
		used = used || st.MayUse(seen.Signers[name]) || seen.Signers[name].Unheard != nil
		if at := now.Add(lags[name]); at.After(until) {
			until = at
		}
	}
	for name, s := range seen.Dismissed {
		used = used || st.MayUse(s) || s.Unheard != nil
		if at := now.Add(lags[name]); at.After(until) {
			until = at
		}
	}
	r := *st.Released
	if (used || !r.Unused) && until.After(r.LastUsed) {
		r.LastUsed = until
	}
	r.Unused = !used
	st.Released = &r
}

// clearing returns the release with the purge begun: nothing else is done for a released domain.
func (r *ReleaseState) clearing() *ReleaseState {
	if r == nil {
		return nil
	}
	begun := *r
	begun.Begun = true
	return &begun
}

// Purged notes that everything was purged when no key is left.
func (st *State) Purged(now time.Time) {
	if st.Released == nil {
		return
	}
	for _, sel := range st.Selectors {
		if sel.Key != nil && !sel.Key.Gone {
			return
		}
	}
	r := *st.Released
	r.Purged = now
	st.Released = &r
	for _, sel := range st.Selectors {
		if sel.Key == nil {
			continue
		}
		if !slices.Contains(sel.Past, sel.Key.ID) {
			sel.Past = append(sel.Past, sel.Key.ID)
		}
		sel.Key = nil
	}
}
