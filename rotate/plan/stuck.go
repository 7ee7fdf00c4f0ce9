package plan

import (
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What signers would refuse is planned here, so that a dry run says what the run would.

// wouldRefuse returns what a signer would refuse a switch to the selector with, as far as it is known.
func (v *draft) wouldRefuse(signer, selector string) error {
	seen := v.Seen.Signers[signer]
	if seen.Err != nil && fault.KindOf(seen.Err) == fault.Refused {
		return seen.Err
	}
	if seen.RefusesOnly != "" && seen.RefusesOnly != selector {
		return nil
	}
	return seen.Refuses
}

// refusing returns the refusal of the first of the signers that has one.
func (v *draft) refusing(signers []string, selector string) error {
	for _, name := range signers {
		if err := v.wouldRefuse(name, selector); err != nil {
			return err
		}
	}
	return nil
}

// refusedNow returns what the first of the signers that are given a key now would refuse that with.
func (d *draft) refusedNow() error {
	for _, s := range d.switched {
		if err := d.wouldRefuse(s.Signer, s.Selector); err != nil {
			return err
		}
	}
	return nil
}
