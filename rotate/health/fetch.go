package health

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// ComesAlone reports whether a signer is switched to a selector's key without the private key.
func (j *Judge) ComesAlone(signer, selector string) bool {
	return j.CanFetch(signer, selector) && (j.Have.Emergency() || j.Unsigned(signer) || j.sentBack(signer, selector))
}

// sentBack reports whether a person has sent a signer back to the selector, from which it may have come.
func (v *view) sentBack(signer, selector string) bool {
	return v.Have.Phase == rotate.Switching && selector == v.Have.Active && slices.Contains(v.Have.Held, signer)
}

// CanFetch reports whether a signer can be switched to a selector's key while the keystore can't be asked for it, or
// holds nothing that it should: the signer fetches the key itself, and nothing says that another one took its place.
func (v *view) CanFetch(signer, selector string) bool {
	seen := v.Seen.Selectors[selector]
	if !v.Seen.Fetchers[signer] || v.Seen.Signers[signer].Err != nil || v.differed(selector, "") {
		return false
	}
	if seen.KeyErr == nil {
		return v.LostAll() && v.Keeping(selector) == KeyGone
	}
	code := fault.CodeOf(seen.KeyErr)
	return code != codes.ForeignSecret && code != codes.DeletedSecret
}

// Unsigned reports whether a signer says that it signs with nothing.
func (v *view) Unsigned(signer string) bool {
	seen := v.Seen.Signers[signer]
	return seen.Err == nil && seen.Ref.Selector == ""
}
