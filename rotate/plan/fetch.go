package plan

import (
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Signers that fetch their private keys themselves do not need dkimbot's keystore to be switched. While
// it does not answer, or is likely to be another one, they are given a key by its name and record where
// waiting would be worse: to leave a compromised key, and to sign at all (I1). If the key can't be fetched the
// switch fails, and the signer stays as it is.

// ComesAlone reports whether a signer is switched to a selector's key without the private key.
func (j *Judge) ComesAlone(signer, selector string) bool {
	return j.comesAlone(signer, selector) && (j.have.Emergency() || j.unsigned(signer))
}

// comesAlone reports whether a signer can be switched to a selector's key while the keystore can't
// be asked for it, or holds nothing that it should: the signer fetches the key itself, and nothing says that
// another one took its place.
func (v *view) comesAlone(signer, selector string) bool {
	seen := v.seen.Selectors[selector]
	if !v.seen.Fetchers[signer] || v.seen.Signers[signer].Err != nil || v.differed(selector) {
		return false
	}
	if seen.KeyErr == nil {
		return v.lostAll() && v.keeping(selector) == keyGone
	}
	code := fault.CodeOf(seen.KeyErr)
	return code != codes.ForeignSecret && code != codes.DeletedSecret
}

// unsigned reports whether a signer says that it signs with nothing.
func (v *view) unsigned(signer string) bool {
	seen := v.seen.Signers[signer]
	return seen.Err == nil && seen.Ref.Selector == ""
}

// empty stops what needs the selector's private key while the keystore holds none of what it should.
func (d *draft) empty(s string) bool {
	if d.seen.Selectors[s].KeyErr != nil || !d.lostAll() || d.keeping(s) != keyGone {
		return false
	}
	d.stop(d.lostKeystore(s))
	return true
}
