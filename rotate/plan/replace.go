package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The fourth step of the scheme: the drained selector gets a fresh key, and the old one is destroyed.

// replaced reports whether the fresh key of the draining selector is public, or
// may be: then nothing is gained by waiting any more.
func (j *Judge) replaced(s string) bool {
	sel := j.have.Selector(s)
	if sel.Next == nil {
		return j.have.Phase == rotate.Replacing && s == j.have.Draining && sel.InPlace()
	}
	return !sel.Next.PublishedAt.IsZero() ||
		slices.ContainsFunc(j.seen.Selectors[s].Sight.Values,
			func(v string) bool { return rotate.SameRecord(v, sel.Next.Record) })
}

// replace gives the drained selector its fresh key. Only when every signer says
// that it signs with the other selector is the record touched (I2).
func (p *planner) replace(s string) {
	why, leaked := p.replaceReason(s), p.have.Leaked(s)
	if leaked {
		why = p.plan.Reason
	}
	p.plan.Reason = why
	p.duty = rotate.Turn
	if err := p.replaceable(s, leaked); err != nil {
		p.stop(err)
		return
	}
	sel := p.have.Selector(s)
	begun := p.have.Phase == rotate.Replacing || sel.Next != nil
	urgent := leaked || p.have.Leaked(p.have.Active) // signers are to flee to the fresh key
	if !begun && !urgent && p.closed(codes.ActionReplace, s) {
		return
	}
	if sel.Next != nil || p.have.Phase != rotate.Replacing || !sel.InPlace() {
		if !p.provide(s, why) {
			return
		}
		if !leaked { // that of a compromised key is planned already
			p.destroyReplaced(s, rotate.Retired{KeyID: sel.Key.ID, Version: sel.Key.Version})
		}
		return
	}
	for _, r := range sel.Retired {
		if !r.Dropped {
			p.destroyReplaced(s, r)
		}
	}
}

// replaceable says why the key at s can't be replaced now.
func (j *Judge) replaceable(s string, leaked bool) error {
	for _, name := range j.want.Signers {
		if err := j.seen.Signers[name].Err; err != nil && !leaked {
			return &fault.Error{Kind: fault.Transient, Code: codes.SignerUnseen, Err: err,
				What: fmt.Sprintf("replace the key of %s: signer %s did not answer which key it uses", j.name(s), name),
				Hint: "make the signer answer, or take it out of the domain's signers if it is gone; " +
					"until then the old key record stays"}
		}
	}
	if j.have.Phase != rotate.Ready && j.have.Selector(s).Next != nil && j.keeping(s) == keyGone {
		return j.lostKeystore(s)
	}
	if j.have.Phase != rotate.Ready && j.lostAll() {
		return j.lostKeystore(s)
	}
	return nil
}

// destroyReplaced plans that a replaced private key is destroyed, unless a signer uses it.
func (d *draft) destroyReplaced(s string, r rotate.Retired) {
	if d.mayBeInHands(r.KeyID) {
		d.stop(fault.Temporary(fmt.Sprintf("destroy the replaced key of %s", d.name(s)),
			errors.New("a signer still signs with it"),
			"it is destroyed when every signer signs with another one"))
		return
	}
	if err := d.wrongKeystore(s); err != nil {
		d.stop(err)
		return
	}
	d.destroy(s, r, time.Time{}, rotate.Reason{Code: codes.Replaced,
		Message: "the new record is public; the old private key is needed no more"})
}

func (d *draft) destroy(s string, r rotate.Retired, from time.Time, why rotate.Reason) {
	d.step(rotate.Step{Kind: rotate.Destroy, Selector: s,
		Target: fmt.Sprintf("keystore, %s version %d", d.name(s), r.Version), NotBefore: from, Reason: why,
		From: rotate.Side{KeyID: r.KeyID}})
}

// destroyDropped plans the end of private keys that were made and given up before
// they were used. Nothing waits for it.
func (p *planner) destroyDropped() {
	p.duty = rotate.Disposal
	for _, s := range p.want.Policy.Selectors {
		for _, r := range p.have.Selector(s).Retired {
			if r.Dropped && !p.mayBeInHands(r.KeyID) && p.wrongKeystore(s) == nil {
				p.destroy(s, r, time.Time{}, rotate.Reason{Code: codes.Dropped,
					Message: "the key was given up before a signer used it"})
			}
		}
	}
}

// mayBeInHands reports whether a signer may sign with the key: one that does not answer and
// never confirmed any key may have been given this one by a run that was killed (I1).
func (v *view) mayBeInHands(keyID string) bool {
	return v.inHands(keyID) || slices.ContainsFunc(v.want.Signers, func(name string) bool {
		_, known := v.have.Signers[name]
		return !known && v.seen.Signers[name].Err != nil
	})
}

// inHands reports whether a signer signs with the key, as far as is known: its copy
// would go with the key, and its mail would not be signed at all (I1).
func (v *view) inHands(keyID string) bool {
	return slices.ContainsFunc(v.want.Signers, func(name string) bool {
		seen, c := v.seen.Signers[name], v.have.Signers[name]
		if seen.Err != nil {
			return c.KeyID == keyID
		}
		return v.have.Identify(seen.Ref).KeyID == keyID
	})
}

// lostAll reports whether the keystore holds none of the keys that it should, as far as they
// could be read. Then it is likely to be another one: what would be made there is missing in
// the right one, and what would be destroyed is not (I4, I5).
func (v *view) lostAll() bool {
	lost := 0
	for _, s := range v.want.Policy.Selectors {
		switch key, kept := v.have.Selector(s).Wanted(), v.keeping(s); {
		case key == nil || key.Gone || key.Doomed: // it says nothing when it is missing
		case kept == keyUnread: // nor does this
		case kept != keyGone:
			return false
		default:
			lost++
		}
	}
	return lost > 0
}

// lostKeystore refuses to make or destroy keys in a keystore that has lost what it should hold.
func (v *view) lostKeystore(s string) error {
	for _, other := range v.want.Policy.Selectors {
		if err := v.seen.Selectors[other].KeyErr; v.keeping(other) == keyUnread {
			return &fault.Error{Kind: fault.Transient, Code: cmp.Or(fault.CodeOf(err), codes.KeyMissing), Err: err,
				What: fmt.Sprintf("make or destroy a key of %s: the keystore does not hold every key of %s that it should, "+
					"and does not tell whether it holds the one of %s", v.name(s), v.want.Name, v.name(other)),
				Hint: "make the keystore answer, and see whether the configuration names the right one; " +
					"dkimbot makes and destroys keys when it has read one that is there"}
		}
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.KeyMissing,
		What: fmt.Sprintf("make or destroy a key of %s: the keystore holds none of the keys that dkimbot stored for %s",
			v.name(s), v.want.Name),
		Hint: "see whether the configuration names the right keystore, and restore it from a backup; " +
			"dkimbot makes and destroys no key while all are gone"}
}

// replaceReason says why a selector gets a fresh key.
func (j *Judge) replaceReason(s string) rotate.Reason {
	if j.have.Phase == rotate.Ready {
		return rotate.Reason{Code: codes.KeyMissing, Message: "the private key for " + j.name(s).String() +
			" is gone from the keystore and no signer uses it: the standby gets a fresh one"}
	}
	return rotate.Reason{Code: codes.Replace, Message: "the drain of " + s +
		" has passed: it gets a fresh key, ready for the next rotation"}
}
