package rotate

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Adoption is a person's request to take keys under management that are in use: of a
// signer that was set up by hand, or of a dkimbot whose state was lost (I12).
type Adoption struct {
	Keys   []dkim.SigningKey // one for each selector that is adopted
	Active string            // the selector that the signers use now; "" when the signers say

	// FromKeystore says that the keys are dkimbot's own: its state was lost, or is older
	// than what is there, and is given up for what DNS and the keystore hold.
	FromKeystore bool
	// Stored has, by selector, the newest key in the keystore where DNS does not show
	// that: it was never published, or its record is gone.
	Stored map[string]string
	Older  map[string][]Retired // by selector: the other keys that the keystore holds there
}

// Restarted returns the state of a domain of which nothing is believed but what was
// its own once: records of those keys are still ours, and receivers may remember them. What a person asked for stays.
func (st State) Restarted() State {
	fresh := State{Domain: st.Domain, Revision: st.Revision, Phase: New, Selectors: map[string]*Selector{},
		Signers: map[string]Confirmed{}, Parted: st.Parted,
		Former: st.Former, Config: st.Config, Drift: st.Drift, Earlier: st.Earlier, OnHold: st.OnHold, Fled: st.Fled}
	for name, sel := range st.Selectors {
		fresh.Selectors[name] = sel.remembered(sel.keys())
	}
	return fresh
}

// remembered returns what is remembered of a selector whose keys are not believed in: which were its own, these
// among them, and what receivers may keep.
func (s *Selector) remembered(keys []*Key) *Selector {
	past := slices.Clone(s.Past)
	for _, k := range keys {
		if !slices.Contains(past, k.ID) {
			past = append(past, k.ID)
		}
	}
	return &Selector{Past: past, Revoked: s.Revoked, TTL: s.TTL, Preceded: s.Preceded,
		PrecededTTL: s.PrecededTTL, LastUsedAt: s.LastUsedAt, Drain: s.Drain}
}
