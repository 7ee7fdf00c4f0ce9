package observe

import (
	"cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// Following returns the key to which signers would be switched next, by its record.
func Following(want rotate.Domain, have rotate.State) dkim.SigningKey {
	policy := health.Managing(want, have).Policy
	s := cmp.Or(have.Target, policy.Other(have.Active)) // the first one where none is active
	k := dkim.SigningKey{Name: dkim.Name{Domain: want.Name, Selector: s}}
	if key := have.Selector(s).Wanted(); key != nil && !key.GivenUp() {
		k.Record = key.Record
	} else if key == nil && want.Policy.Key == dkim.Ed25519 {
		k.Record = sampleEd25519
	}
	return k
}

// sampleEd25519 is the record of RFC 8463, appendix A.2: before the first key of a domain is made, a signer is asked
// with it whether it can use one of its kind.
const sampleEd25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
