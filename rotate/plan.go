package rotate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// DomainPlan says what to do for one domain now, and why.
type DomainPlan struct {
	Name     string
	Phase    Phase
	Revision int64   // of the state that was planned from
	Basis    string  // State.Basis of the state that was planned from; "" when no Planner was asked
	Ordered  []Event // what was ordered and comes first, before the steps
	Asked    bool    // a person asked for the rotation that begins, whatever the schedule says
	Reason   Reason  // why there is something to do, or nothing
	Steps    []Step
	Next     *Next // what comes when the steps that may run now are done
	// a fault that keeps dkimbot from doing all that should be done; Steps holds what can be done nevertheless
	Stop     error
	Warnings []finding.Warning // what an operator should look at
	Drift    []finding.Finding // what is not as it should be; what Steps repair is part of it
	Seen     Observation

	Switches bool   // it begins a switch now, by schedule or on request: what Counts count and hold back
	Held     string // the configuration's key of the limit that holds the change back which is due; "" when none does
}

// Observation is what DNS, keystore and signers showed for one domain just before planning.
type Observation struct {
	Selectors map[string]SelectorSeen
	Signers   map[string]SignerSeen
	Dismissed map[string]SignerSeen    // signers that are no longer listed, and are in the configuration
	Left      map[string]RecordSeen    // what DNS shows at selectors that the domain had earlier and are not empty
	Fetchers  map[string]bool          // signers that fetch private keys themselves
	Probed    map[string]bool          // signers whose mail is looked at: they have left a key when mail proved it
	Lags      map[string]time.Duration // how long after a hurried switch a signer has surely changed
	Lingers   map[string]bool          // signers that may need a key's file until a switch is surely in effect
	Unmixed   map[string]bool          // signers that sign with RSA keys, or Ed25519 keys, and not with either in turn
	RSAOnly   map[string]string        // why signers refuse Ed25519 keys, as they are set up
}

// Destroyed notes that a private key is gone since the keystore was asked; the one before a fresh one is there still.
func (o Observation) Destroyed(selector, keyID string) {
	if seen := o.Selectors[selector]; seen.KeyID == keyID {
		seen.KeyID, seen.Kept = "", seen.Kept || seen.OldKept
		o.Selectors[selector] = seen
	}
}

// RecordSeen is what DNS showed at a name.
type RecordSeen struct {
	Sight Sight
	Err   error
	Lost  bool // while the domain moves: the keystore says that it does not hold the key
	Ended bool // the keystore has an entry of the key's version or a later one, and the key no more: it was destroyed
}

// SelectorSeen is what DNS and the keystore showed for a selector.
type SelectorSeen struct {
	Sight    Sight
	SightErr error
	KeyID    string // of the newest key in the keystore; "" when there is none
	Version  int    // of the newest entry in the keystore; 0 when there never was one
	Kept     bool   // when KeyID is not that of the key which state means: that one is there too, at its own version
	OldKept  bool   // while a fresh key is stored: the one whose place it is to take is there too, at its own version
	KeyErr   error
}

// SignerSeen is what a signer said it signs the domain with.
type SignerSeen struct {
	Ref         dkim.Ref // the zero Ref when the signer does not sign for the domain
	Err         error
	Refuses     error  // what a switch would be refused with; nil when nothing is known that would stop one
	RefusesOnly string // the selector to which that switch would lead; "" when a switch to any would be refused
	// why another host of the signer may sign with a key of ours, too, which it had when it was heard last; nil for none
	Unheard error
	// what the host that answers signs with, where Ref is what it, or one that is gone, signed with until now; else zero
	Here      dkim.Ref
	Overruled string // the line of others that counts in the place of dkimbot's own, for people; "" for none
	Unkept    string // what is missing so that it signs after its next start, for people; "" for nothing
}

// Refs returns all that a signer may sign with by what it said: none where it does not sign.
func (s SignerSeen) Refs() (refs []dkim.Ref) {
	for _, ref := range []dkim.Ref{s.Ref, s.Here} {
		if ref.Selector != "" {
			refs = append(refs, ref)
		}
	}
	return refs
}

// At reports whether a signer may sign with a selector by what it said.
func (s SignerSeen) At(selector string) bool {
	return slices.ContainsFunc(s.Refs(), func(ref dkim.Ref) bool { return ref.Selector == selector })
}

// NextReason says why what comes next comes, or why nothing does.
func (p DomainPlan) NextReason() Reason {
	if p.Next == nil {
		return p.Reason
	}
	return p.Next.Reason
}
