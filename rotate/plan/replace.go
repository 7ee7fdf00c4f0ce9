package plan

import (
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// The fourth step of the scheme: the drained selector gets a fresh key, and the old one is destroyed.

// replace gives the drained selector its fresh key. Only when every signer says
// that it signs with the other selector is the record touched (I2).
func (p *planner) replace(s string) {
	why, leaked := wayout.ReplaceReason(&p.Check, s), p.Have.Leaked(s)
	if leaked {
		why = p.plan.Reason
	}
	p.plan.Reason = why
	err := p.Replaceable(s, leaked)
	if err != nil && !p.OnlyUnseen(s) {
		p.stop(err)
		return
	}
	sel := p.Have.Selector(s)
	begun := p.Have.Phase == rotate.Replacing || sel.Next != nil
	urgent := leaked || p.Have.Leaked(p.Have.Active) || leadsOut(p, s) // signers are to go to the fresh key
	if !begun && !urgent && p.closed(codes.ActionReplace, s) {
		return
	}
	if sel.Next != nil || p.Have.Phase != rotate.Replacing || !sel.InPlace() {
		if !p.provide(s, why) {
			return
		}
		if !leaked && err == nil && p.obstacle() == nil && !p.AnySilent() { // that of a compromised key is planned already
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

// destroyReplaced plans that a replaced private key is destroyed, unless a signer uses it.
func (d *draft) destroyReplaced(s string, r rotate.Retired) {
	if d.MayBeInHands(r.KeyID) {
		d.stop(fault.Temporary(fmt.Sprintf("destroy the replaced key of %s", d.Name(s)),
			errors.New("a signer still signs with it"),
			"it is destroyed when every signer signs with another one"))
		return
	}
	if err := d.WrongKeystore(s); err != nil {
		d.stop(err)
		return
	}
	d.destroy(rotate.Turn, s, r, time.Time{}, wayout.DestroyReason(r))
}

func (d *draft) destroy(duty rotate.Duty, s string, r rotate.Retired, from time.Time, why rotate.Reason) {
	d.step(rotate.Step{Kind: rotate.Destroy, Duty: duty, Selector: s,
		Target: fmt.Sprintf("keystore, %s version %d", d.Name(s), r.Version), NotBefore: wayout.Kept(&d.Judge, s, from), Reason: why,
		From: rotate.Side{KeyID: r.KeyID}})
}

// destroyDropped plans to destroy private keys that were given up before they were used. Nothing waits for it.
func (p *planner) destroyDropped() {
	for _, s := range p.Want.Policy.Selectors {
		for _, r := range p.Have.Selector(s).Retired {
			if r.Dropped && !p.MayBeInHands(r.KeyID) && p.WrongKeystore(s) == nil {
				p.destroy(rotate.Disposal, s, r, time.Time{}, wayout.DestroyReason(r))
			}
		}
	}
}
