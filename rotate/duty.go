package rotate

import (
	"slices"
	"time"
)

// Duty is what a step belongs to: one thing that dkimbot owes a domain. Duties are planned and carried out
// independently of each other, so that one which can't be fulfilled now does not stop another that can.
type Duty string

// The duties, in the order in which they are planned.
const (
	Publicity Duty = "publicity" // keep the records public that mail relies on
	Signing   Duty = "signing"   // keep every signer on a good key
	// give a signer that signs with nothing the key that others sign with, while servers are silent
	Joining    Duty = "joining"
	Revocation Duty = "revocation" // take a compromised key out of use
	Turn       Duty = "turn"       // what the phase wants: bootstrap, switch, drain, replace
	Disposal   Duty = "disposal"   // destroy keys that were never used
)

// Needs reports whether s can be taken only after earlier, which stands before it in a plan, was taken.
func (s Step) Needs(earlier Step) bool {
	sameName, sameDuty := s.Selector == earlier.Selector, s.Duty == earlier.Duty
	if s.Duty == Joining { // it has its own look at the record, and does not wait for one that every server must pass
		return s.Kind == Activate && earlier.Duty == Joining && earlier.Kind == Verify && sameName
	}
	switch s.Kind {
	case Revoke:
		return false // what has become of the signers is looked at just before; see mayRevoke
	case Activate:
		// Signers are independent: when one can't be switched, the others can.
		return earlier.prepares() && (sameName || sameDuty)
	case Destroy:
		switch earlier.Kind {
		case Activate:
			return sameDuty // a signer that could not be switched needs it (I1)
		case Revoke:
			return sameDuty && sameName && s.Duty == Turn // of a domain that is purged, no key goes before its record
		case Destroy:
			return false
		}
		return sameDuty && sameName
	}
	return (earlier.prepares() || earlier.Kind == Drain) && (sameName || sameDuty && s.Duty == Turn)
}

// prepares reports whether the step makes a key fit for use.
func (s Step) prepares() bool {
	return slices.Contains([]Kind{Generate, StoreKey, Adopt, Publish, Verify}, s.Kind)
}

// Runnable returns the steps that may run at now: those that have nothing to wait for, and need no step that has.
// What follows a drain, even of nothing, is planned again when it is over.
func (p DomainPlan) Runnable(now time.Time) []Step {
	var out, waiting []Step
	for _, s := range p.Steps {
		if s.Kind == Drain || s.NotBefore.After(now) || slices.ContainsFunc(waiting, s.Needs) {
			waiting = append(waiting, s)
			continue
		}
		out = append(out, s)
	}
	return out
}
