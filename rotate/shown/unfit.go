package shown

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// AllUnfit reports whether each signer shows that it signs by an algorithm that does not fit its key: all mail fails,
// whatever stands in DNS and whichever key they are given. Of one whose mail is looked at mail would have to show it.
func AllUnfit(seen rotate.Observation, signers []string) bool {
	return len(signers) > 0 && !slices.ContainsFunc(signers, func(name string) bool {
		at := seen.Signers[name]
		fits := func(ref dkim.Ref) bool { return dkim.UnfitFor(ref.KeyID) == "" }
		return at.Err != nil || at.Unheard != nil || seen.Probed[name] || len(at.Refs()) == 0 ||
			slices.ContainsFunc(at.Refs(), fits)
	})
}

// WrongKind says why a signer of a domain refuses the key at a selector that it is to sign with: it takes RSA keys
// only, and that one is no RSA key. It is nil where the signer takes it, as far as is known.
func WrongKind(seen rotate.Observation, have rotate.State, domain, signer, selector string) error {
	rsa := func(s string) bool {
		key := have.Selector(s).Wanted()
		return key != nil && dkim.RecordAlgorithm(key.Record) != dkim.Ed25519
	}
	why := seen.RSAOnly[signer]
	if why == "" || have.Selector(selector).Wanted() == nil || rsa(selector) {
		return nil
	}
	for s := range have.Selectors {
		if rsa(s) && have.Active == selector {
			return finding.RSAOnly(dkim.Name{Domain: domain, Selector: selector}, signer, why, s)
		}
	}
	return finding.RSAOnly(dkim.Name{Domain: domain, Selector: selector}, signer, why, "")
}
