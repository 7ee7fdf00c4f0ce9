package health

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
)

// What is found out here is whether signers can be given a key at all, and whether they are better off with the
// standby's.

// OutOfKeystore reports whether a signer can't be given a selector's key: the keystore says that it does not hold it,
// and the signer does not fetch it itself.
func (j *Judge) OutOfKeystore(signer, s string) bool {
	seen, sel := j.Seen.Selectors[s], j.Have.Selector(s)
	key := sel.Key
	held := key != nil && (key.ID == seen.KeyID || sel.Next != nil && seen.OldKept)
	if key == nil || held || seen.KeyErr != nil || j.CanFetch(signer, s) {
		return false
	}
	return j.Keeping(s) == KeyGone || j.Keeping(s) == KeyDifferent && !seen.Kept
}

// Heals reports whether a switch to the standby puts right what is wrong at the active selector: its private key is
// not in the keystore or can't be read there, so that a signer which loses its copy is not given it again, or another
// record stands in the way of its own. The standby has neither fault.
func (j *Judge) Heals(standby string) bool {
	active := j.Have.Active
	if j.Have.Phase != rotate.Ready || j.Have.Leaked(active) || j.Have.Leaked(standby) ||
		j.Stale(active) || j.Stale(standby) {
		return false
	}
	if j.Keeping(standby) != keyKept || j.Standing(standby) != Current || j.HandsOff(standby) {
		return false
	}
	if j.HandsOff(active) {
		// where a signer uses that record's key, mail verifies by it, and somebody else switches signers
		return j.Standing(active) != Foreign || j.signsBy(active) == "" || j.otherTags(active) != ""
	}
	return j.Keeping(active) != keyKept
}

// orSwitch says how a person has signers leave the active key for the selector other, "" where that heals nothing.
func (j *Judge) orSwitch(other string) string {
	if !j.Heals(other) {
		return ""
	}
	command, to := rotation(j, other)
	return fmt.Sprintf(", or switch to %s: '%s'", to, command)
}
