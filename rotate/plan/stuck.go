package plan

import (
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What signers would refuse is planned here, so that a dry run says what the run would.

// wouldRefuse returns what a signer would refuse a switch with, as far as it is known.
func (v *draft) wouldRefuse(signer string) error {
	seen := v.Seen.Signers[signer]
	if seen.Err != nil && fault.KindOf(seen.Err) == fault.Refused {
		return seen.Err
	}
	return seen.Refuses
}

// refusing returns the refusal of the first of the signers that has one.
func (v *draft) refusing(signers []string) error {
	for _, name := range signers {
		if err := v.wouldRefuse(name); err != nil {
			return err
		}
	}
	return nil
}
