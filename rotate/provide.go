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
func (d *draft) provide(s string, why Reason) bool {
	name, sel, seen := d.name(s), d.have.selector(s), d.seen.Selectors[s]
	key := sel.pending(d.have.Phase)
	if key == nil {
		if seen.KeyErr != nil {
			d.stop(seen.KeyErr)
			return false
		}
		if d.lostAll() && !d.resumable(s) {
			d.stop(d.lostKeystore(s))
			return false
		}
		if !d.resumable(s) {
			d.step(Step{Kind: Generate, Selector: s, Target: name.String(), Reason: why, Algorithm: d.want.Policy.Key})
		}
		d.step(Step{Kind: StoreKey, Selector: s, Target: "keystore, " + name.String(), Reason: d.storeReason(s),
			From: Side{KeyID: seen.KeyID}, To: Side{Fresh: true}})
		key = &Key{}
	}
	standing := d.standing(s)
	if key.PublishedAt.IsZero() || standing != current && standing != changing {
		d.publish(s, key, why)
	}
	if sel.Next != nil || key.VerifiedAt.IsZero() || standing != current {
		d.verify(s, key, time.Time{}, Reason{"verify", "the record must show on every authoritative server before anything relies on it"})
	}
	return true
}

func (j *judge) storeReason(s string) Reason {
	if j.resumable(s) {
		return Reason{"resume", "an earlier attempt stored this key; it is read back and used"}
	}
	return Reason{"stored-first", "the private key is kept and read back before its public half is published"}
}

func (d *draft) publish(s string, key *Key, why Reason) {
	before := strings.Join(d.seen.Selectors[s].Sight.Values, " | ")
	d.step(Step{Kind: Publish, Selector: s, Target: fmt.Sprintf("%s TXT, through %s", d.name(s), d.want.Provider), Reason: why,
		Asked: d.askedOf(s), From: Side{Record: before, KeyID: recordKeyID(before)}, To: key.side(), TTL: d.want.Policy.TTL})
}

func (d *draft) verify(s string, key *Key, from time.Time, why Reason) {
	d.step(Step{Kind: Verify, Selector: s, Target: d.name(s).String() + " TXT", NotBefore: from, Reason: d.verifyReason(s, why), Asked: d.askedOf(s), To: key.side()})
}

// use plans the switch of every signer to selector s, which is verified once
// more just before (I2).
func (d *draft) use(s string, from time.Time, why Reason) {
	key := d.have.selector(s).Key
	if key == nil {
		key = &Key{}
	}
	for _, signer := range d.want.Signers {
		if !d.confirmed(signer, s, key.ID) && !(s == d.have.Target && slices.Contains(d.have.Held, signer)) {
			d.verifyBeforeUse(s, key, from)
			d.activate(signer, s, key, from, why)
		}
	}
}

// verifyBeforeUse plans one more look at a record that was verified some time
// ago, unless it is verified on the way here.
func (d *draft) verifyBeforeUse(s string, key *Key, from time.Time) {
	if d.plans(Verify, s) {
		return
	}
	d.verify(s, key, from, Reason{"before-use", "nothing signs with a key that DNS does not show now"})
}

func (d *draft) plans(kind Kind, selector string) bool {
	return slices.ContainsFunc(d.plan.Steps, func(s Step) bool { return s.Kind == kind && s.Selector == selector })
}

func (d *draft) activate(signer, s string, key *Key, from time.Time, why Reason) {
	ref := d.have.identify(d.seen.Signers[signer].Ref)
	if c := d.have.Signers[signer]; d.seen.Signers[signer].Err != nil { // as far as is known
		ref.Selector, ref.KeyID = c.Selector, c.KeyID
	}
	if d.afterAdoption && why.Code == "bootstrap" && ref.Selector == s && key.ID != "" && ref.KeyID == key.ID {
		why.Message = "the signer goes on to use the key, and is given it by dkimbot from now on"
	}
	d.step(Step{Kind: Activate, Selector: s, Signer: signer, Target: "signer " + signer, Reason: why, NotBefore: from,
		From: Side{Selector: ref.Selector, KeyID: ref.KeyID}, To: Side{Selector: s, KeyID: key.ID, Fresh: key.ID == ""}})
}

// confirmed reports whether a signer has confirmed the key and was not seen to sign otherwise.
func (v *view) confirmed(signer, s, keyID string) bool {
	c, ok := v.have.Signers[signer]
	if !ok || keyID == "" || c.Unsure || c.Selector != s || c.KeyID != keyID {
		return false
	}
	seen := v.seen.Signers[signer]
	ref := v.have.identify(seen.Ref)
	return seen.Err != nil || ref.Selector == s && ref.KeyID == keyID
}
