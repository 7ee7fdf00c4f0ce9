package wayout

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/health"
)

// Quiet returns from when on no mail in flight needs the standby's key: the drain after the last signer was brought
// to the active one, or back to it, or was taken out of the configuration (I2, I10).
func Quiet(j *health.Judge, standby string) time.Time {
	last := j.Have.SwitchedAt
	for _, c := range j.Have.Signers {
		if c.At.After(last) {
			last = c.At
		}
	}
	return last.Add(j.Have.Selector(standby).DrainUnder(j.Want.Policy))
}

// LostFirst returns the selectors that have a key, those first whose private key the keystore has lost: the end of
// such a key is noted while the other one still shows that this is the right keystore.
func LostFirst(j *health.Judge) []string {
	lost := func(s string) int {
		if j.Keeping(s) == health.KeyGone {
			return 0
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(j.Keyed()), func(a, b string) int { return lost(a) - lost(b) })
}
