package plan

import (
	"github.com/dkimbot/dkimbot/rotate/health"
)

// Signers that fetch their private keys themselves can be switched without dkimbot's keystore. While it does not
// answer, or is likely to be another one, they are given a key by its name and record in two cases, since waiting
// would be worse: to leave a compromised key, and to sign at all (I1). If the signer can't fetch the key, the
// switch fails and the signer stays as it is.

// empty stops what needs the selector's private key while the keystore holds none of what it should.
func (d *draft) empty(s string) bool {
	if d.Seen.Selectors[s].KeyErr != nil || !d.LostAll() || d.Keeping(s) != health.KeyGone {
		return false
	}
	d.stop(d.LostKeystore(s))
	return true
}

// unread stops what would bring signers to a selector while the keystore does not answer which key is its
// newest. If that is another key than the state says, the state is an old one, and the record that DNS still
// shows is about to be replaced (I2).
func (d *draft) unread(selectors ...string) bool {
	for _, s := range selectors {
		if err := d.Seen.Selectors[s].KeyErr; err != nil {
			d.stop(err)
			return true
		}
	}
	return false
}
