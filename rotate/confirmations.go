package rotate

import "time"

// Confirmations are what each signer confirmed last.
type Confirmations map[string]Confirmed

// reached reports whether a signer confirmed the selector last: surely, or whatever it may sign with since.
func (c Confirmations) reached(selector string, surely bool) bool {
	for _, c := range c {
		if !c.Left && c.Selector == selector && !(surely && c.Unsure) {
			return true
		}
	}
	return false
}

// all reports whether all the signers have confirmed the selector's key, and
// when the last one's change was in effect, at atLeast or later.
func (c Confirmations) all(selector string, key *Key, signers []string, atLeast time.Time) (last time.Time, all bool) {
	last = atLeast
	for _, s := range signers {
		c, ok := c[s]
		if !ok || c.Unsure || key == nil || c.Selector != selector || c.KeyID != key.ID {
			return last, false
		}
		if c.At.After(last) {
			last = c.At
		}
	}
	return last, true
}
