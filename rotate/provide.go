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
			p.step(Step{Kind: Generate, Selector: s, Target: name.String(), Reason: why, Algorithm: p.want.Policy.Key})
		}
		p.step(Step{Kind: StoreKey, Selector: s, Target: "keystore, " + name.String(), Reason: p.storeReason(s),
			From: Side{KeyID: seen.KeyID}, To: Side{Fresh: true}})
		key = &Key{}
	}
	standing := p.standing(s)
	if key.PublishedAt.IsZero() || standing != current && standing != changing {
		p.publish(s, key, why)
	}
	if sel.Next != nil || key.VerifiedAt.IsZero() || standing != current {
		p.verify(s, key, time.Time{}, Reason{"verify", "the record must show on every authoritative server before anything relies on it"})
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
		Asked: p.askedOf(s), From: Side{Record: before, KeyID: recordKeyID(before)}, To: key.side(), TTL: p.want.Policy.TTL})
}

func (p *planner) verify(s string, key *Key, from time.Time, why Reason) {
	p.step(Step{Kind: Verify, Selector: s, Target: p.name(s).String() + " TXT", NotBefore: from, Reason: p.verifyReason(s, why), Asked: p.askedOf(s), To: key.side()})
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
		key = &Key{}
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
	p.verify(s, key, from, Reason{"before-use", "nothing signs with a key that DNS does not show now"})
}

func (p *planner) plans(kind Kind, selector string) bool {
	return slices.ContainsFunc(p.plan.Steps, func(s Step) bool { return s.Kind == kind && s.Selector == selector })
}

func (p *planner) activate(signer, s string, key *Key, from time.Time, why Reason) {
	ref := p.have.identify(p.seen.Signers[signer].Ref)
	if c := p.have.Signers[signer]; p.seen.Signers[signer].Err != nil { // as far as is known
		ref.Selector, ref.KeyID = c.Selector, c.KeyID
	}
	if p.afterAdoption && why.Code == "bootstrap" && ref.Selector == s && key.ID != "" && ref.KeyID == key.ID {
		why.Message = "the signer goes on to use the key, and is given it by dkimbot from now on"
	}
	p.step(Step{Kind: Activate, Selector: s, Signer: signer, Target: "signer " + signer, Reason: why, NotBefore: from,
		From: Side{Selector: ref.Selector, KeyID: ref.KeyID}, To: Side{Selector: s, KeyID: key.ID, Fresh: key.ID == ""}})
}

// side returns the key as a step shows it; one without a name is yet to be made.
func (k *Key) side() Side { return Side{KeyID: k.ID, Record: k.Record, Fresh: k.ID == ""} }

// confirmed reports whether a signer has confirmed the key and was not seen to sign otherwise.
func (p *planner) confirmed(signer, s, keyID string) bool {
	c, ok := p.have.Signers[signer]
	if !ok || keyID == "" || c.Unsure || c.Selector != s || c.KeyID != keyID {
		return false
	}
	seen := p.seen.Signers[signer]
	ref := p.have.identify(seen.Ref)
	return seen.Err != nil || ref.Selector == s && ref.KeyID == keyID
}
