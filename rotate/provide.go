package rotate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What is planned here brings a key into DNS, and signers to it.

// provide plans what is missing until the selector's key is made, kept,
// published and seen. It reports whether that can be done.
func (p *planner) provide(s string, why Reason) bool {
	name, sel, seen := p.name(s), p.have.selector(s), p.seen.Selectors[s]
	key := sel.pending(p.have.Phase)
	if key == nil {
		if seen.KeyErr != nil {
			p.stop(seen.KeyErr)
			return false
		}
		if p.lostAll() && !p.resumable(s) {
			p.stop(p.lostKeystore(s))
			return false
		}
		if !p.resumable(s) {
			p.step(Step{Kind: Generate, Selector: s, Target: name.String(), Reason: why, Before: Facts{}, After: Facts{"key": string(p.want.Policy.Key)}})
		}
		p.step(Step{Kind: StoreKey, Selector: s, Target: "keystore, " + name.String(), Reason: p.storeReason(s),
			Before: Facts{"key_id": seen.KeyID}, After: Facts{"key_id": Generated}})
		key = &Key{ID: Generated, Record: Generated}
	}
	standing := p.standing(s)
	if key.PublishedAt.IsZero() || standing != current && standing != changing {
		p.publish(s, key, why)
	}
	if sel.Next != nil || key.VerifiedAt.IsZero() || standing != current {
		p.verify(s, key, Reason{"verify", "the record must show on every authoritative server before anything relies on it"})
	}
	return true
}

func (p *planner) storeReason(s string) Reason {
	if p.resumable(s) {
		return Reason{"resume", "an earlier attempt stored this key; it is read back and used"}
	}
	return Reason{"stored-first", "the private key is kept and read back before its public half is published"}
}

func (p *planner) publish(s string, key *Key, why Reason) {
	before := strings.Join(p.seen.Selectors[s].Sight.Values, " | ")
	p.step(Step{Kind: Publish, Selector: s, Target: fmt.Sprintf("%s TXT, through %s", p.name(s), p.want.Provider), Reason: why,
		Before: p.askedOf(s, Facts{"record": before, "key_id": recordKeyID(before)}),
		After:  Facts{"record": key.Record, "key_id": key.ID, "ttl": Span(p.want.Policy.TTL)}})
}

func (p *planner) verify(s string, key *Key, why Reason) {
	p.step(Step{Kind: Verify, Selector: s, Target: p.name(s).String() + " TXT", Reason: p.verifyReason(s, why), Before: p.askedOf(s, Facts{}),
		After: Facts{"record": key.Record, "key_id": key.ID}})
}

// pending returns the key that is on its way to the selector, nil when it is yet to be made.
func (s Selector) pending(phase Phase) *Key {
	if phase == New || phase == Bootstrapping {
		return s.Key
	}
	return s.Next
}

// use plans the switch of every signer to selector s, which is verified once
// more just before (I2).
func (p *planner) use(s string, from time.Time, why Reason) {
	key := p.have.selector(s).Key
	if key == nil {
		key = &Key{ID: Generated, Record: Generated}
	}
	for _, signer := range p.want.Signers {
		if !p.confirmed(signer, s, key.ID) && !(s == p.have.Target && slices.Contains(p.have.Held, signer)) {
			p.verifyBeforeUse(s, key, from)
			p.activate(signer, s, key, from, why)
		}
	}
}

// verifyBeforeUse plans one more look at a record that was verified some time
// ago, unless it is verified on the way here.
func (p *planner) verifyBeforeUse(s string, key *Key, from time.Time) {
	if p.plans(Verify, s) {
		return
	}
	p.verify(s, key, Reason{"before-use", "nothing signs with a key that DNS does not show now"})
	p.plan.Steps[len(p.plan.Steps)-1].NotBefore = from
}

func (p *planner) plans(kind Kind, selector string) bool {
	return slices.ContainsFunc(p.plan.Steps, func(s Step) bool { return s.Kind == kind && s.Selector == selector })
}

func (p *planner) activate(signer, s string, key *Key, from time.Time, why Reason) {
	ref := p.have.identify(p.seen.Signers[signer].Ref)
	if c := p.have.Signers[signer]; p.seen.Signers[signer].Err != nil { // as far as is known
		ref.Selector, ref.KeyID = c.Selector, c.KeyID
	}
	p.step(Step{Kind: Activate, Selector: s, Signer: signer, Target: "signer " + signer, Reason: why, NotBefore: from,
		Before: Facts{"selector": ref.Selector, "key_id": ref.KeyID}, After: Facts{"selector": s, "key_id": key.ID}})
}

// confirmed reports whether a signer has confirmed the key and was not seen to sign otherwise.
func (p *planner) confirmed(signer, s, keyID string) bool {
	c, ok := p.have.Signers[signer]
	if !ok || c.Unsure || c.Selector != s || c.KeyID != keyID {
		return false
	}
	seen := p.seen.Signers[signer]
	ref := p.have.identify(seen.Ref)
	return seen.Err != nil || ref.Selector == s && ref.KeyID == keyID
}
