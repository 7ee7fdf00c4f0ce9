package health

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// inUse reports whether what a signer confirmed is a key that still stands.
func (v *view) inUse(c rotate.Confirmed) bool {
	key := v.Have.Selector(c.Selector).Key
	return key != nil && key.ID == c.KeyID
}

// Confirmed reports whether a signer has confirmed the key and was not seen to sign otherwise.
func (v *view) Confirmed(signer, s, keyID string) bool {
	c := v.Have.Signers[signer]
	if keyID == "" || c.Unsure || c.Selector != s || c.KeyID != keyID {
		return false
	}
	seen := v.Seen.Signers[signer]
	ref := v.Have.Identify(seen.Ref)
	return seen.Err != nil || ref.Selector == s && ref.KeyID == keyID && seen.Here.Selector == ""
}

// InHands reports whether a signer signs with the key, as far as is known: its copy
// would go with the key, and its mail would not be signed at all (I1).
func (v *view) InHands(keyID string) bool {
	return slices.ContainsFunc(v.Want.Signers, func(name string) bool {
		seen, c := v.Seen.Signers[name], v.Have.Signers[name]
		if seen.Err != nil {
			return c.KeyID == keyID
		}
		return seen.Uses(v.Have, keyID)
	})
}

// saidToUse reports whether a signer says that it signs with the key.
func saidToUse(v *view, keyID string) bool {
	return slices.ContainsFunc(v.Want.Signers, func(name string) bool {
		seen := v.Seen.Signers[name]
		return seen.Err == nil && seen.Uses(v.Have, keyID)
	})
}

// GoesWithout reports whether the key at s is replaced although a signer does not answer: the others are
// to leave a compromised key for the fresh one, and this one has confirmed that it uses another key.
func (j *Judge) GoesWithout(signer, s string) bool {
	c, known := j.Have.Signers[signer]
	return j.Flight(s) && known && !c.Unsure && !j.InHands(j.Have.Selector(s).Key.ID)
}

// AnySilent reports whether a signer does not answer which key it uses.
func (j *Judge) AnySilent() bool {
	return slices.ContainsFunc(j.Want.Signers, func(name string) bool { return j.Seen.Signers[name].Err != nil })
}

// OnlyUnseen reports whether signers are to leave a compromised key for the fresh one at s, and its record
// is published and has only to be seen: no signer and no keystore is asked for that.
func (j *Judge) OnlyUnseen(s string) bool {
	next, at := j.Have.Selector(s).Next, j.Standing(s)
	return j.Flight(s) && next != nil && !next.PublishedAt.IsZero() && (at == Current || at == Changing)
}

// Replaceable says why the key at s can't be replaced now.
func (j *Judge) Replaceable(s string, leaked bool) error {
	for _, name := range j.Want.Signers {
		if err := j.Seen.Signers[name].Err; err != nil && !leaked && !j.GoesWithout(name, s) {
			return &fault.Error{Kind: fault.Transient, Code: codes.SignerUnseen, Err: err,
				What: fmt.Sprintf("replace the key of %s: signer %s did not answer which key it uses", j.Name(s), name),
				Hint: "make the signer answer, or take it out of the configuration if it is gone for good; " +
					"until then the old key record stays"}
		}
	}
	if key := j.Have.Selector(s).Key; !leaked && key != nil && !j.Replaced(s) {
		if err := j.HeldByDismissed("replace the key", s, key.ID); err != nil {
			return err
		}
	}
	if j.Have.Phase != rotate.Ready && j.Have.Selector(s).Next != nil && j.Keeping(s) == KeyGone && !FreshLost(j, s) {
		return j.LostKeystore(s)
	}
	if j.Have.Phase != rotate.Ready && j.LostAll() {
		return j.LostKeystore(s)
	}
	return nil
}

// Drifted returns the signers that must sign with the active key and do not, or would not after their next start, or
// have not confirmed it: none where it is lost for good, since they are switched to the next good key.
func (j *Judge) Drifted() (drifted []string) {
	if j.LostForGood(j.Have.Active) {
		return nil
	}
	key := j.Have.Selector(j.Have.Active).Key
	for _, signer := range j.Want.Signers {
		seen := j.Seen.Signers[signer]
		if !waitsForKind(j, signer) && !j.Confirmed(signer, j.Have.Active, key.ID) || seen.Err == nil && seen.Unkept != "" {
			drifted = append(drifted, signer)
		}
	}
	return drifted
}

// waitsForKind reports whether a signer signs with nothing, since it takes no key of the active one's kind.
func waitsForKind(j *Judge, signer string) bool {
	return j.Unsigned(signer) && shown.WrongKind(j.Seen, j.Have, j.Want.Name, signer, j.Have.Active) != nil
}

// WouldRefuse returns what a signer would refuse a switch to the selector with, as far as it is known.
func (h *Check) WouldRefuse(signer, selector string) error {
	seen := h.Seen.Signers[signer]
	if seen.Err != nil && fault.KindOf(seen.Err) == fault.Refused {
		return seen.Err
	}
	if seen.Refuses != nil && (seen.RefusesOnly == "" || seen.RefusesOnly == selector) {
		return seen.Refuses
	}
	return shown.WrongKind(h.Seen, h.Have, h.Want.Name, signer, selector)
}
