package rotate

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Leaked reports whether the selector's key was reported as compromised and still stands.
func (st State) Leaked(selector string) bool {
	key := st.Selector(selector).Key
	return key != nil && !key.Leaked.IsZero()
}

// Relied reports whether a signer of the domain may sign with the selector's key, as far as is known.
func (st State) Relied(selector string) bool {
	for _, c := range st.Signers {
		if !c.Left && (c.Selector == selector || c.Unsure) {
			return true
		}
	}
	return false
}

// HeldAll reports whether every one of the signers was sent back.
func (st State) HeldAll(signers []string) bool {
	return len(st.Held) > 0 && !slices.ContainsFunc(signers, func(s string) bool { return !slices.Contains(st.Held, s) })
}

// Doomed returns the selector's private keys that may be destroyed: those that were
// replaced, and one that is compromised, or whose domain was released, and that no signer uses.
func (st State) Doomed(selector string) []Retired {
	if left := left(&st, selector); left != nil {
		return slices.Clone(left.Retired)
	}
	sel := st.Selector(selector)
	out := slices.Clone(sel.Retired)
	abandoned := st.Leaked(selector) && selector == st.Draining
	if sel.Key != nil && (abandoned || st.Released != nil && st.Released.Purge) {
		out = append(out, Retired{KeyID: sel.Key.ID, Version: sel.Key.Version})
	}
	return out
}

// Spares reports whether a key is worth waiting for a signer that may use it.
func (st State) Spares(selector, keyID string) bool {
	sel := st.Selector(selector)
	if key := sel.Key; key != nil && key.ID == keyID && !key.Leaked.IsZero() {
		return false
	}
	for _, r := range sel.Retired {
		if r.KeyID == keyID && (r.Leaked || r.Dropped) {
			return false
		}
	}
	return true
}

// MayUse reports whether a signer signs with a key of ours, or does not say.
func (st State) MayUse(seen SignerSeen) bool { return seen.Err != nil || seen.Ours(st).Selector != "" }

// Ours returns the key of ours that a signer may sign with by what it said; zero where there is none.
func (s SignerSeen) Ours(st State) dkim.Ref {
	for _, ref := range s.Refs() {
		ref = st.Identify(ref.Fit())
		if key := st.Selector(ref.Selector).Key; key != nil && key.ID == ref.KeyID {
			return ref
		}
	}
	return dkim.Ref{}
}

// Uses reports whether a signer may sign with a key by what it said.
func (s SignerSeen) Uses(st State, keyID string) bool {
	return slices.ContainsFunc(s.Refs(), func(ref dkim.Ref) bool { return st.Identify(ref.Fit()).KeyID == keyID })
}
