package health

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Joins reports whether a signer says that it signs with nothing, while another one signs with the key.
func (v *view) Joins(signer, s, keyID string) bool {
	seen := v.Seen.Signers[signer]
	return seen.Err == nil && seen.Ref.Selector == "" && v.OthersUse(signer, s, keyID)
}

// OthersUse reports whether another signer signs with the key.
func (v *view) OthersUse(signer, s, keyID string) bool {
	return slices.ContainsFunc(v.Want.Signers, func(other string) bool {
		return other != signer && v.Confirmed(other, s, keyID)
	})
}

// UsesDeadKey reports whether a signer came back, as from a backup, to a key that was compromised,
// or that no server which answers shows: its mail is lost as it is.
func (v *view) UsesDeadKey(signer string) bool {
	seen := v.Seen.Signers[signer]
	at := At(v.Seen, seen.Ref.Selector) // also one that the domain had, or that somebody else made
	if seen.Err != nil || seen.Ref.KeyID == "" {
		return false
	}
	if key := v.Have.Selector(seen.Ref.Selector).Key; key != nil && key.ID == seen.Ref.KeyID && !key.Leaked.IsZero() {
		return true
	}
	return at.SightErr == nil && !at.Sight.Unchecked && (at.Sight.Complete || at.Sight.Silent) &&
		!slices.ContainsFunc(at.Sight.Values, func(v string) bool { return dkim.RecordKeyID(v) == seen.Ref.KeyID })
}

// AnyConfirmed reports whether a signer signs with the selector's key, as far as is known.
func (v *view) AnyConfirmed(s string) bool {
	key := v.Have.Selector(s).Key
	return key != nil && slices.ContainsFunc(v.Want.Signers, func(n string) bool { return v.Confirmed(n, s, key.ID) })
}

// OnCompromised reports whether a signer of a new domain signs with a compromised key at a
// selector, as far as is known: with the one that stands there, or with one that was revoked.
func (v *view) OnCompromised(signer, selector string) bool {
	at, key := v.Have.Signers[signer].Selector, v.Have.Signers[signer].KeyID
	if seen := v.Seen.Signers[signer]; seen.Err == nil {
		ref := v.Have.Identify(seen.Ref)
		at, key = ref.Selector, ref.KeyID
	}
	if present := v.Have.Selector(selector).Key; v.Have.Leaked(selector) && present.ID == key {
		return at == selector
	}
	old := v.Have.AlreadyReported(selector)
	return at == selector && old != nil && old.KeyID == key
}

// MayBeInHands reports whether a signer may sign with the key: one that does not answer and
// never confirmed any key may have been given this one by a run that was killed (I1).
func (v *view) MayBeInHands(keyID string) bool {
	return v.InHands(keyID) || slices.ContainsFunc(v.Want.Signers, func(name string) bool {
		_, known := v.Have.Signers[name]
		return !known && v.Seen.Signers[name].Err != nil
	})
}

// Late reports whether a signer is known to keep what follows waiting: it does not answer, or an earlier try to switch
// it failed, or was cut off twice. That happens once for many reasons, and its mail is not to fail for a moment for it.
func Late(j *Judge, name string) bool {
	i := j.Have.Intent
	cutOff := i.Switches(name) && i.Again
	return cutOff || j.Have.Failed.Signer == name || j.Seen.Signers[name].Err != nil
}
