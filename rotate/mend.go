package rotate

import (
	"fmt"
	"strings"
)

// What is planned here keeps in order what is there already, in every phase.

// repair publishes a record of ours that has vanished from DNS, or that an older
// one of ours stands in place of, once more.
func (p *planner) repair() {
	for _, s := range p.want.Policy.Selectors {
		sel := p.have.selector(s)
		if sel.Next != nil || sel.Key == nil {
			continue
		}
		standing := p.standing(s)
		gone := standing == absent || standing == doubled || standing == earlier
		if gone {
			why := Reason{"vanished", "the record that dkimbot published at " + p.name(s).String() + " is gone from DNS; it is published again"}
			p.plan.Reason = why
			p.publish(s, sel.Key, why)
		}
		if gone || sel.Key.VerifiedAt.IsZero() {
			p.verify(s, sel.Key, Reason{"verify", "the record must show on every authoritative server before anything relies on it"})
		}
	}
}

// align brings signers that sign with something else than the active key back to it:
// new ones, and ones that were rebuilt or restored from a backup. It reports whether there are any.
func (p *planner) align() bool {
	key := p.have.selector(p.have.Active).Key
	var stray []string
	for _, signer := range p.want.Signers {
		if !p.confirmed(signer, p.have.Active, key.ID) {
			stray = append(stray, signer)
		}
	}
	if len(stray) == 0 {
		return false
	}
	why := Reason{"signer-strays", fmt.Sprintf("%s must sign with %s and does not, or has not confirmed it", strings.Join(stray, ", "), p.have.Active)}
	p.plan.Reason = why
	from := p.known(p.have.Active)
	for _, signer := range stray {
		p.verifyBeforeUse(p.have.Active, key, from)
		p.activate(signer, p.have.Active, key, from, why)
	}
	return true
}
