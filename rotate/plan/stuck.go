package plan

// What signers would refuse is planned here, so that a dry run says what the run would.

// refusedNow returns what the first of the signers that are given a key now would refuse that with.
func (d *draft) refusedNow() error {
	for _, s := range d.switched {
		if err := d.WouldRefuse(s.Signer, s.Selector); err != nil {
			return err
		}
	}
	return nil
}

// refusing returns the refusal of the first of the domain's signers that has one of a switch to the selector.
func (d *draft) refusing(selector string) error {
	for _, name := range d.Want.Signers {
		if err := d.WouldRefuse(name, selector); err != nil {
			return err
		}
	}
	return nil
}
