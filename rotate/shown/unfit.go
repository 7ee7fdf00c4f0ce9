package shown

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
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
