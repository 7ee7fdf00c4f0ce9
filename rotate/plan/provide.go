package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// What is planned here brings a key into DNS, and signers to it.

// provide plans what is missing until the selector's key is made, kept,
// published and seen. It reports whether that can be done.
func (d *draft) provide(s string, why rotate.Reason) bool {
	name, sel, seen := d.name(s), d.have.Selector(s), d.seen.Selectors[s]
	key := sel.Pending(d.have.Phase)
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
			d.step(rotate.Step{Kind: rotate.Generate, Selector: s, Target: name.String(), Reason: why,
				Algorithm: d.want.Policy.Key})
		}
		d.step(rotate.Step{Kind: rotate.StoreKey, Selector: s, Target: "keystore, " + name.String(), Reason: d.storeReason(s),
			From: rotate.Side{KeyID: seen.KeyID}, To: rotate.Side{Fresh: true}})
		key = &rotate.Key{}
	}
	standing := d.Standing(s)
	if key.PublishedAt.IsZero() || standing != Current && standing != changing {
		d.publish(s, key, why)
	}
	if sel.Next != nil || key.VerifiedAt.IsZero() || standing != Current {
		d.verify(s, key, time.Time{}, rotate.Reason{Code: codes.Verify,
			Message: "the record must show on every authoritative server before anything relies on it"})
	}
	return true
}

func (j *Judge) storeReason(s string) rotate.Reason {
	if j.resumable(s) {
		return rotate.Reason{Code: codes.Resume, Message: "an earlier attempt stored this key; it is read back and used"}
	}
	return rotate.Reason{Code: codes.StoredFirst,
		Message: "the private key is kept and read back before its public half is published"}
}

func (d *draft) publish(s string, key *rotate.Key, why rotate.Reason) {
	before := strings.Join(d.seen.Selectors[s].Sight.Values, " | ")
	d.step(rotate.Step{Kind: rotate.Publish, Selector: s,
		Target: fmt.Sprintf("%s TXT, through %s", d.name(s), d.want.Provider), Reason: why,
		Asked: d.askedOf(s), From: rotate.Side{Record: before, KeyID: rotate.RecordKeyID(before)}, To: key.Side(),
		TTL: d.want.Policy.TTL})
}

func (d *draft) verify(s string, key *rotate.Key, from time.Time, why rotate.Reason) {
	d.step(rotate.Step{Kind: rotate.Verify, Selector: s, Target: d.name(s).String() + " TXT", NotBefore: from,
		Reason: d.verifyReason(s, why), Asked: d.askedOf(s), To: key.Side()})
}

// use plans the switch of every signer to selector s, which is verified once
// more just before (I2).
func (d *draft) use(s string, from time.Time, why rotate.Reason) {
	key := d.have.Selector(s).Key
	if key == nil {
		key = &rotate.Key{}
	}
	for _, signer := range d.want.Signers {
		if !d.confirmed(signer, s, key.ID) && !(s == d.have.Target && slices.Contains(d.have.Held, signer)) {
			d.bring(signer, s, key, from, why)
		}
	}
}

// bring plans that a signer is given a key whose record is seen just before. Where others
// sign with the key and this one with nothing, or with a key that is gone, its mail can only
// gain: servers that do not answer are not waited for then. One that shows something else is.
func (d *draft) bring(signer, s string, key *rotate.Key, from time.Time, why rotate.Reason) {
	joins := d.joins(signer, s, key.ID) && !d.sheltered[signer]
	if joins {
		from = time.Time{} // to wait for resolvers would only send more mail without a signature
	}
	joins = joins || d.usesDeadKey(signer) && d.othersUse(signer, s, key.ID)
	if seen := d.seen.Selectors[s]; !joins || seen.SightErr != nil || !seen.Sight.Silent {
		d.verifyBeforeUse(s, key, from)
		d.activate(signer, s, key, from, why)
		return
	}
	duty := d.duty
	d.duty = rotate.Joining
	d.verify(s, key, from, rotate.Reason{Code: codes.BeforeUse,
		Message: "others sign with the key already, so only the servers that answer must show it"})
	d.activate(signer, s, key, from, why)
	d.duty = duty
}

// joins reports whether a signer says that it signs with nothing, while another one signs with the key.
func (v *view) joins(signer, s, keyID string) bool {
	seen := v.seen.Signers[signer]
	return seen.Err == nil && seen.Ref.Selector == "" && v.othersUse(signer, s, keyID)
}

// othersUse reports whether another signer signs with the key.
func (v *view) othersUse(signer, s, keyID string) bool {
	return slices.ContainsFunc(v.want.Signers, func(other string) bool {
		return other != signer && v.confirmed(other, s, keyID)
	})
}

// usesDeadKey reports whether a signer came back, as from a backup, to a key that was compromised,
// or that no server which answers shows: its mail is lost as it is.
func (v *view) usesDeadKey(signer string) bool {
	seen := v.seen.Signers[signer]
	at, looked := v.seen.Selectors[seen.Ref.Selector]
	if seen.Err != nil || seen.Ref.KeyID == "" || !looked {
		return false
	}
	if key := v.have.Selector(seen.Ref.Selector).Key; key != nil && key.ID == seen.Ref.KeyID && !key.Leaked.IsZero() {
		return true
	}
	return at.SightErr == nil && !at.Sight.Unchecked && (at.Sight.Complete || at.Sight.Silent) &&
		!slices.ContainsFunc(at.Sight.Values, func(v string) bool { return rotate.RecordKeyID(v) == seen.Ref.KeyID })
}

// verifyBeforeUse plans one more look at a record that was verified some time
// ago, unless it is verified on the way here.
func (d *draft) verifyBeforeUse(s string, key *rotate.Key, from time.Time) {
	d.verify(s, key, from, rotate.Reason{Code: codes.BeforeUse,
		Message: "nothing signs with a key that DNS does not show now"})
}

func (d *draft) activate(signer, s string, key *rotate.Key, from time.Time, why rotate.Reason) {
	ref := d.have.Identify(d.seen.Signers[signer].Ref)
	if c := d.have.Signers[signer]; d.seen.Signers[signer].Err != nil { // as far as is known
		ref.Selector, ref.KeyID = c.Selector, c.KeyID
	}
	if d.afterAdoption && why.Code == codes.Bootstrap && ref.Selector == s && key.ID != "" && ref.KeyID == key.ID {
		why.Message = "the signer goes on to use the key, and is given it by dkimbot from now on"
	}
	d.step(rotate.Step{Kind: rotate.Activate, Selector: s, Signer: signer, Target: "signer " + signer, Reason: why,
		NotBefore: from,
		From:      rotate.Side{Selector: ref.Selector, KeyID: ref.KeyID},
		To:        rotate.Side{Selector: s, KeyID: key.ID, Fresh: key.ID == ""}})
}

// anyConfirmed reports whether a signer signs with the selector's key, as far as is known.
func (v *view) anyConfirmed(s string) bool {
	key := v.have.Selector(s).Key
	return key != nil && slices.ContainsFunc(v.want.Signers,
		func(signer string) bool { return v.confirmed(signer, s, key.ID) })
}

// confirmed reports whether a signer has confirmed the key and was not seen to sign otherwise.
func (v *view) confirmed(signer, s, keyID string) bool {
	c, ok := v.have.Signers[signer]
	if !ok || keyID == "" || c.Unsure || c.Selector != s || c.KeyID != keyID {
		return false
	}
	seen := v.seen.Signers[signer]
	ref := v.have.Identify(seen.Ref)
	return seen.Err != nil || ref.Selector == s && ref.KeyID == keyID
}
