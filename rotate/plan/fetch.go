package plan

import (
	"github.com/dkimbot/dkimbot/rotate/health"
)

// Signers that fetch their private keys themselves do not need dkimbot's keystore to be switched. While
// it does not answer, or is likely to be another one, they are given a key by its name and record where
// waiting would be worse: to leave a compromised key, and to sign at all (I1). If the key can't be fetched the
// switch fails, and the signer stays as it is.

// empty stops what needs the selector's private key while the keystore holds none of what it should.
func (d *draft) empty(s string) bool {
	if d.Seen.Selectors[s].KeyErr != nil || !d.LostAll() || d.Keeping(s) != health.KeyGone {
		return false
	}
	d.stop(d.LostKeystore(s))
	return true
}

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
