package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/algorithm"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// What is planned here brings a key into DNS, and signers to it.

// provide plans what is missing until the selector's key is made, kept,
// published and seen. It reports whether that can be done.
func (d *draft) provide(s string, why rotate.Reason) bool {
	name, sel, seen := d.Name(s), d.Have.Selector(s), d.Seen.Selectors[s]
	key := sel.Pending(d.Have.Phase)
	if key == nil || health.FreshLost(&d.Judge, s) {
		if seen.KeyErr != nil {
			d.stop(seen.KeyErr)
			return false
		}
		if d.LostAll() && !d.Resumable(s) {
			d.stop(d.LostKeystore(s))
			return false
		}
		if !d.Resumable(s) {
			d.step(rotate.Step{Kind: rotate.Generate, Duty: rotate.Turn, Selector: s, Target: name.String(), Reason: why,
				Algorithm: algorithm.Next(&d.Check)})
		}
		d.step(rotate.Step{Kind: rotate.StoreKey, Duty: rotate.Turn, Selector: s, Target: "keystore, " + name.String(),
			Reason: d.storeReason(s), From: rotate.Side{KeyID: seen.KeyID}, To: rotate.Side{Fresh: true}})
		key = &rotate.Key{}
	}
	standing := d.Standing(s)
	stands := standing == health.Current || standing == health.Changing && !d.Scattered(s, key)
	if key.PublishedAt.IsZero() || !stands {
		d.publish(rotate.Turn, s, key, why)
	}
	if sel.Next != nil || key.VerifiedAt.IsZero() || standing != health.Current {
		d.verify(rotate.Turn, s, key, time.Time{}, rotate.Reason{Code: codes.Verify,
			Message: "the record must show on every authoritative server before anything relies on it"})
	}
	return true
}

func (j *draft) storeReason(s string) rotate.Reason {
	if j.Resumable(s) {
		return rotate.Reason{Code: codes.Resume, Message: "an earlier attempt stored this key; it is read back and used"}
	}
	return rotate.Reason{Code: codes.StoredFirst,
		Message: "the private key is kept and read back before its public half is published"}
}

func (d *draft) publish(duty rotate.Duty, s string, key *rotate.Key, why rotate.Reason) {
	before := strings.Join(health.At(d.Seen, s).Sight.Values, " | ")
	d.step(rotate.Step{Kind: rotate.Publish, Duty: duty, Selector: s,
		Target: fmt.Sprintf("%s TXT, through %s", d.Name(s), d.Want.Through()), Reason: why,
		Asked: d.askedOf(s), From: rotate.Side{Record: before, KeyID: dkim.RecordKeyID(before)}, To: key.Side(),
		TTL: d.Want.Policy.TTL})
}

func (d *draft) verify(duty rotate.Duty, s string, key *rotate.Key, from time.Time, why rotate.Reason) {
	d.step(rotate.Step{Kind: rotate.Verify, Duty: duty, Selector: s, Target: d.Name(s).String() + " TXT",
		NotBefore: from, Reason: d.verifyReason(s, why), Asked: d.askedOf(s), To: key.Side()})
}

// use plans the switch of every signer to selector s, which is verified once
// more just before (I2). It reports whether there are any.
func (d *draft) use(s string, from time.Time, why rotate.Reason) (planned bool) {
	key := d.keyAt(s)
	for _, signer := range inTurn(d) {
		stays := s == d.Have.Target && slices.Contains(d.Have.Held, signer) ||
			d.Have.Phase == rotate.Switching && d.OutOfKeystore(signer, s)
		if !stays && !d.Confirmed(signer, s, key.ID) {
			d.bring(rotate.Turn, signer, s, from, why)
			planned = true
		}
	}
	return planned
}

// keyAt returns the key that is wanted at selector s: an empty one where there is none yet.
func (d *draft) keyAt(s string) *rotate.Key {
	if sel := rotate.SelectorAt(d.Have, s); sel != nil && sel.Key != nil {
		return sel.Key
	}
	return &rotate.Key{}
}

// bring plans that a signer is given the key at selector s, whose record is seen just before. If others sign with the
// key and this signer signs with nothing, or with a key whose record is missing, its mail can only become better: then
// servers that do not answer are not waited for. Nor is one that lacks the record where the signer signs with nothing.
func (d *draft) bring(duty rotate.Duty, signer, s string, from time.Time, why rotate.Reason) {
	key := d.keyAt(s)
	joins := d.Joins(signer, s, key.ID) && !d.sheltered[signer]
	if joins {
		from = time.Time{} // to wait for resolvers would only send more mail without a signature
	}
	used := d.OthersUse(signer, s, key.ID) || s == d.Have.Active && !key.VerifiedAt.IsZero()
	bare := (joins || s == d.Have.Active && d.Unsigned(signer) && !d.sheltered[signer]) && health.Somewhere(&d.Judge, s)
	if bare {
		from = time.Time{}
	}
	joins = joins || used && d.UsesDeadKey(signer)
	if seen := d.Seen.Selectors[s]; !bare && (!joins || seen.SightErr != nil || !seen.Sight.Silent) {
		d.verifyBeforeUse(duty, s, key, from)
		d.activate(duty, signer, s, from, why)
		return
	}
	seen, which := "others sign with the key already", "only the servers that answer"
	if !d.OthersUse(signer, s, key.ID) {
		seen = "mail that the signer signs now verifies nowhere"
	}
	if bare {
		seen, which = "the signer signs with nothing", "one server"
	}
	d.verify(rotate.Joining, s, key, from, rotate.Reason{Code: codes.BeforeUse,
		Message: seen + ", so " + which + " must show it"})
	d.activate(rotate.Joining, signer, s, from, why)
}

// verifyBeforeUse plans one more look at a record that was verified some time
// ago, unless it is verified on the way here.
func (d *draft) verifyBeforeUse(duty rotate.Duty, s string, key *rotate.Key, from time.Time) {
	d.verify(duty, s, key, from, rotate.Reason{Code: codes.BeforeUse,
		Message: "nothing signs with a key that DNS does not show now"})
}

// activate plans that a signer is given the key at selector s, without a look at its record before.
func (d *draft) activate(duty rotate.Duty, signer, s string, from time.Time, why rotate.Reason) {
	key, ref := d.keyAt(s), d.Have.Identify(d.Seen.Signers[signer].Ref)
	if c := d.Have.Signers[signer]; d.Seen.Signers[signer].Err != nil { // as far as is known
		ref.Selector, ref.KeyID = c.Selector, c.KeyID
	}
	if d.afterAdoption && why.Code == codes.Bootstrap && ref.Selector == s && key.ID != "" && ref.KeyID == key.ID {
		why.Message = "the signer continues to use the key, and is given it by dkimbot from now on"
	}
	d.step(rotate.Step{Kind: rotate.Activate, Duty: duty, Selector: s, Signer: signer, Target: "signer " + signer,
		Reason: why, NotBefore: from,
		From: rotate.Side{Selector: ref.Selector, KeyID: ref.KeyID},
		To:   rotate.Side{Selector: s, KeyID: key.ID, Fresh: key.ID == ""}})
}
