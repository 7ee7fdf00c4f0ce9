package plan

import (
	"time"
)

// unread stops what would bring signers to a selector of which the keystore can't be
// asked what its newest key is: if that is another one, the state is an old one, and the
// record that DNS shows still is about to go (I2).
func (d *draft) unread(selectors ...string) bool {
	for _, s := range selectors {
		if err := d.Seen.Selectors[s].KeyErr; err != nil {
			d.stop(err)
			return true
		}
	}
	return false
}

// quiet returns from when on no mail in flight needs the standby's key: the drain
// after the last signer was brought to the active one, or back to it, or was taken out
// of the configuration (I2, I10).
func (j *draft) quiet(standby string) time.Time {
	last := j.Have.SwitchedAt
	for _, c := range j.Have.Signers {
		if c.At.After(last) {
			last = c.At
		}
	}
	return last.Add(j.Have.Selector(standby).DrainUnder(j.Want.Policy))
}
