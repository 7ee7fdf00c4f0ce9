package rotate

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What is planned here keeps in order what is there already, in every phase.

// repair publishes a record of ours that has vanished from DNS, or that an older
// one of ours stands in place of, once more.
func (p *planner) repair() {
	for _, s := range p.want.Policy.Selectors {
		p.repairAt(s)
	}
}

func (p *planner) repairAt(s string) {
	sel := p.have.selector(s)
	if sel.Next != nil || sel.Key == nil || p.givenUp(s) {
		return
	}
	lost := p.lost(s)
	if lost != nil {
		why := Reason{"vanished", lost.Message + "; it is published again"}
		p.plan.Reason = why
		p.publish(s, sel.Key, why)
	}
	if lost != nil || sel.Key.VerifiedAt.IsZero() {
		p.verify(s, sel.Key, Reason{"verify", "the record must show on every authoritative server before anything relies on it"})
	}
}

// givenUp reports whether a leaked key's record is not worth mending. While signers
// sign with the key and nothing better is ready, it is.
func (p *planner) givenUp(s string) bool {
	return p.have.leaked(s) && (s == p.have.Draining || s == p.have.Active && p.fleeing() || p.have.selector(s).Key.givenUp())
}

// align brings signers that sign with something else than the active key back to it:
// new ones, and ones that were rebuilt or restored from a backup. It reports whether there are any.
func (p *planner) align() bool {
	key := p.have.selector(p.have.Active).Key
	if key.givenUp() {
		return false // nothing is gained by signing with it; signers are switched to the next sound key
	}
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
		p.activate(signer, p.have.Active, key, from, p.strayReason(signer, why))
	}
	return true
}

// strayReason says how the signer strays, when that is seen.
func (p *planner) strayReason(signer string, why Reason) Reason {
	if f := p.signerDrift(signer); f != nil && f.Code != SignerSilent {
		why.Message = f.Message
	}
	return why
}

// renew gives the standby a fresh key when its private key is lost, as soon as no
// mail in flight can need the old one. Until then, and where that can't be, a
// switch that is due waits for it. It reports whether the plan is made.
func (p *planner) renew(s string, isDue bool) bool {
	why, quiet := p.replaceReason(s), p.quiet()
	switch renewable := p.renewable(s); {
	case renewable && !p.now.Before(quiet):
		p.replace(s)
		p.nextFromSteps()
	case renewable && isDue:
		why.Message += ", but not before mail that was signed with the old one has arrived"
		p.plan.Reason, p.plan.Next = why, &Next{Action: "replace", Selector: s, At: quiet, Reason: why}
	case isDue:
		f := p.keyDrift(s)
		p.stop(&fault.Error{Kind: fault.Permanent, Code: KeyMissing, What: "switch " + p.want.Name + " to " + s + ": " + f.Message, Hint: f.Repair})
	default:
		return false
	}
	return true
}

// replaceReason says why a selector gets a fresh key.
func (p *planner) replaceReason(s string) Reason {
	if p.have.Phase == Ready {
		return Reason{KeyMissing, "the private key for " + p.name(s).String() + " is gone from the keystore and no signer uses it: the standby gets a fresh one"}
	}
	return Reason{"replace", "the drain of " + s + " has passed: it gets a fresh key, ready for the next rotation"}
}
