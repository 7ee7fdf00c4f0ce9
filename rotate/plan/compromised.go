package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// giveDistrust notes which keys are compromised, and enters the phase in which they can be left.
func giveDistrust(p *planner, o rotate.Distrust, st *rotate.State) (events []rotate.Event, err error) {
	if err := p.unmanaged("distrust a key"); err != nil {
		return nil, err
	}
	selectors := o.Selectors
	for _, s := range p.want.Policy.Selectors { // what the state says of it is not so
		if p.stale(s) && (len(selectors) == 0 || slices.Contains(selectors, s)) {
			return nil, &fault.Error{Kind: fault.Refused, Code: codes.StaleState, What: "distrust a key of " + p.want.Name,
				Err:  p.staleState(s),
				Hint: fault.HintOf(p.staleState(s)) + "; report the key then, or name the other selector now with --selector"}
		}
	}
	if len(selectors) == 0 {
		if old := leftBehind(*st); old != nil {
			return []rotate.Event{{Kind: rotate.Mistrust, Selector: st.Draining, KeyID: old.KeyID,
				Message: "reported as compromised before; its private key is still to be destroyed"}}, nil
		}
		selectors = []string{st.Suspect()}
	}
	var reported []string
	for _, s := range selectors {
		sel := st.Selectors[s]
		if old := st.AlreadyReported(s); old != nil && !st.Leaked(s) {
			events = append(events, rotate.Event{Kind: rotate.Mistrust, Selector: s, KeyID: old.KeyID,
				Message: "reported as compromised before; until its private key is destroyed, the key in its place is not meant"})
			continue
		}
		if sel != nil && sel.Key == nil && slices.ContainsFunc(selectors, st.Reportable) {
			events = append(events, rotate.Event{Kind: rotate.Mistrust, Selector: s, Code: codes.NoKeyYet,
				Message: "it has no key yet, so there is nothing to revoke"})
			continue // what is meant is another one
		}
		if sel == nil {
			return nil, fault.Refuse(codes.UnknownSelector,
				fmt.Sprintf("distrust the key at %s: %s is not a selector of %s", p.name(s), s, p.want.Name),
				"its selectors are "+strings.Join(p.want.Policy.Selectors[:], " and "))
		}
		if sel.Key == nil {
			return nil, fault.Refuse(codes.NoKeyYet,
				fmt.Sprintf("distrust the key at %s: %s has no key there yet", p.name(s), p.want.Name),
				"there is nothing to revoke at "+s+"; 'dkimbot status --domain "+p.want.Name+"' says which selectors have a key")
		}
		if sel.Key.Leaked.IsZero() {
			sel.Key.Leaked = p.now
			reported = append(reported, s)
		}
		sel.Key.RevokeNow = sel.Key.RevokeNow || o.RevokeNow
		events = append(events, rotate.Event{Kind: rotate.Mistrust, Selector: s, KeyID: sel.Key.ID,
			Message: "reported as compromised"})
	}
	st.TakeFlight(p.want.Policy, reported, p.now)
	return events, nil
}

// refuge returns the selector whose key signers can flee to from a compromised
// active one, "" when there is none now, or no need.
func (j *Judge) refuge() string {
	if !j.have.Leaked(j.have.Active) {
		return ""
	}
	if j.have.Phase == rotate.Switching {
		return j.have.Target // some signers may be there; and when all are, the other one can be replaced
	}
	to := j.haven()
	sel := j.have.Selector(to)
	alone := slices.ContainsFunc(j.want.Signers, func(name string) bool { return j.comesAlone(name, to) })
	if j.have.Leaked(to) || sel.Key == nil || sel.Key.Gone || j.handsOff(to) ||
		j.seen.Selectors[to].KeyErr != nil && !alone {
		return ""
	}
	if sel.Next != nil { // the old key is a refuge as long as its record stands as before
		sight := j.seen.Selectors[to].Sight
		stands := j.seen.Selectors[to].SightErr == nil && sight.Complete && len(sight.Values) == 1 &&
			rotate.SameRecord(sight.Values[0], sel.Key.Record)
		if !stands || !sel.Next.PublishedAt.IsZero() || !j.seen.Selectors[to].OldKept {
			return ""
		}
		return to
	}
	if seen := j.seen.Selectors[to]; seen.KeyErr == nil && seen.KeyID != sel.Key.ID && !seen.Kept && !alone {
		return "" // the keystore lost it, or holds another one, perhaps of ours, in its place
	}
	return to
}

// haven returns the selector to which signers would flee from the active one, if its key is good.
func (j *Judge) haven() string {
	switch j.have.Phase {
	case rotate.Ready:
		return j.want.Policy.Other(j.have.Active)
	case rotate.Draining, rotate.Replacing:
		return j.have.Draining
	}
	return ""
}

// fleeing reports whether signers leave a compromised key, or were sent back:
// then nothing is waited for that can be done without.
func (j *Judge) fleeing() bool {
	return j.refuge() != "" || j.have.Phase == rotate.Switching && len(j.have.Held) > 0
}

// hurried reports whether the domain is to be made safe also when DNS can't be asked.
func (j *Judge) hurried() bool {
	return j.fleeing() || j.have.Draining != "" && j.have.Leaked(j.have.Draining)
}

// leaving reports whether a selector is one that signers leave for good reason:
// what stands there keeps nobody from going.
func (j *Judge) leaving(s string) bool {
	if !j.fleeing() {
		return false
	}
	return j.have.Leaked(s) || j.have.HeldAll(j.want.Signers) && s == j.have.Target
}

// compromised plans that compromised keys are left and revoked, before the scheme goes on.
func (p *planner) compromised() verdict {
	switch p.have.Phase {
	case rotate.New:
	case rotate.Bootstrapping:
		for _, s := range p.want.Policy.Selectors {
			if p.have.Leaked(s) {
				p.abandon(s)
			}
		}
		p.escape(p.first())
	default:
		if p.flees() {
			return taken
		}
	}
	return free
}

// flees plans the flight from a compromised active key, and reports whether that is
// all that the phase wants. Where there is no refuge, the phase makes one; what was
// ordered to be revoked is revoked meanwhile.
func (p *planner) flees() bool {
	from := p.have.Active
	if !p.have.Leaked(from) {
		return false
	}
	if to := p.refuge(); to != "" {
		p.flee(from, to)
		return true
	}
	other := p.want.Policy.Other(from)
	err := cmp.Or(p.seen.Selectors[other].KeyErr, p.obstacles[other])
	switch {
	case p.lostForGood(from):
		p.duty = rotate.Revocation
		p.revoke(from, time.Time{})
	case err != nil && !p.have.Leaked(other):
		p.stop(err)
	}
	if to := p.haven(); to != "" && !p.have.Leaked(to) && !p.unread(to) && p.have.Phase == rotate.Draining {
		p.empty(to) // the keystore is asked again soon, and not when a drain is over
	}
	return false
}

// Flight reports whether signers are to leave a compromised key for the selector's: then
// servers that do not answer are not waited for.
func (j *Judge) Flight(s string) bool {
	switch j.have.Phase {
	case rotate.Bootstrapping, rotate.Switching:
		return s == j.have.Target && j.have.Leaked(j.want.Policy.Other(s))
	}
	return s == j.haven() && j.have.Leaked(j.have.Active)
}

// flee switches all signers away from a compromised active key to the selector to,
// and revokes the key.
func (p *planner) flee(from, to string) {
	why := rotate.Reason{Code: codes.Compromised,
		Message: fmt.Sprintf("the key at %s was reported as compromised: "+
			"signers leave it for %s, it is revoked and destroyed, and a fresh key takes its place", from, to)}
	p.plan.Reason = why
	p.repair()
	p.duty = rotate.Revocation
	key, at := p.have.Selector(to).Key, p.known(to)
	if p.have.Selector(from).Key.RevokeNow {
		p.revoke(from, time.Time{})
	}
	unread, moves := p.handsOff(to) || p.unread(to) || p.empty(to), false
	for _, signer := range p.want.Signers {
		if p.confirmed(signer, to, key.ID) || p.handsOff(to) || unread && !p.comesAlone(signer, to) {
			continue
		}
		p.activate(signer, to, key, at, why)
		moves = true
	}
	switch {
	case !unread:
		p.revoke(from, at)
		p.destroyLeaked(from, at)
	case p.MayRevoke(from):
		p.revoke(from, time.Time{})
	case moves:
		p.revoke(from, at)
	}
	if settled := p.usable(to); settled.After(at) && p.now.Before(settled) {
		p.warning("the key at %s has not settled: until %s, "+
			"receivers that keep an older key of it will not verify mail signed with it", to, settled.UTC().Format(time.RFC3339))
	}
}

// abandon plans that a new domain's compromised key goes, when no signer relies on it
// or that was ordered. A fresh one is made afterwards.
func (p *planner) abandon(s string) {
	p.duty = rotate.Revocation
	key := p.have.Selector(s).Key
	if !key.RevokeNow && !p.MayRevoke(s) {
		return
	}
	p.revoke(s, time.Time{})
}

// escape plans that the signers of a new domain leave a compromised key for the selector to,
// before anything else is made. Where the key there is compromised as well they come to it only
// so that the other one can be made again, and nobody else is given it.
func (p *planner) escape(to string) {
	key, from := p.have.Selector(to).Key, p.want.Policy.Other(to)
	if key == nil || key.VerifiedAt.IsZero() || key.RevokeNow || key.GivenUp() || p.handsOff(to) {
		return
	}
	if at := p.Standing(to); at != Current && at != changing && at != unseen {
		return // it is published again first
	}
	why := rotate.Reason{Code: codes.Compromised,
		Message: fmt.Sprintf("the key at %s was reported as compromised: signers leave it for %s", from, to)}
	if p.have.Leaked(to) {
		why.Message = "both keys were reported as compromised: signers come to one, so that the other can be made again"
		if !p.have.Leaked(from) {
			return
		}
	}
	p.duty = rotate.Revocation
	for _, signer := range p.want.Signers {
		leaves := p.onCompromised(signer, from) || !p.have.Leaked(to) && p.onCompromised(signer, to)
		if leaves && !p.confirmed(signer, to, key.ID) {
			p.verifyBeforeUse(to, key, p.known(to))
			p.activate(signer, to, key, p.known(to), why)
		}
	}
}

// onCompromised reports whether a signer of a new domain signs with a compromised key at a
// selector, as far as is known: with the one that stands there, or with one that was revoked.
func (v *view) onCompromised(signer, selector string) bool {
	at, key := v.have.Signers[signer].Selector, v.have.Signers[signer].KeyID
	if seen := v.seen.Signers[signer]; seen.Err == nil {
		ref := v.have.Identify(seen.Ref)
		at, key = ref.Selector, ref.KeyID
	}
	if present := v.have.Selector(selector).Key; v.have.Leaked(selector) && present.ID == key {
		return at == selector
	}
	old := v.have.AlreadyReported(selector)
	return at == selector && old != nil && old.KeyID == key
}

// mayBeUsed reports whether a signer may sign with the selector's key: by what it
// confirmed, or by what it says now.
func (v *view) mayBeUsed(s string) bool {
	return v.have.Relied(s) || slices.ContainsFunc(v.want.Signers, func(name string) bool {
		seen := v.seen.Signers[name]
		return seen.Err != nil || seen.Ref.Selector == s
	})
}

// firstUse returns when signers of a new domain may begin to sign with a selector: as
// soon as resolvers know it, where they leave a compromised key.
func (d *draft) firstUse(s string) time.Time {
	for _, signer := range d.want.Signers {
		if d.onCompromised(signer, s) || d.onCompromised(signer, d.want.Policy.Other(s)) {
			return d.known(s)
		}
	}
	return d.usable(s)
}

// mayRevoke reports whether a record may be revoked: at once where that was ordered,
// and where the domain was released; else when no signer needs it, or at least one has
// left it, so that there is mail that verifies (I2). A signer that is new has left nothing.
func (j *Judge) MayRevoke(selector string) bool {
	key := j.have.Selector(selector).Key
	if j.have.Released != nil || key != nil && key.RevokeNow {
		return true
	}
	if selector != j.have.Active && (j.have.Phase != rotate.Bootstrapping || !j.mayBeUsed(selector)) {
		return true
	}
	for _, name := range j.want.Signers {
		c, known := j.have.Signers[name]
		left := known && c.Selector != selector && !c.Unsure
		if left && !j.onRevoked(c) || known && j.have.Phase == rotate.Switching && j.onOther(name, selector) {
			return true
		}
	}
	return false
}

// onRevoked reports whether what a signer confirmed is a key that was revoked: it has left none
// for that, since its mail fails.
func (v *view) onRevoked(c rotate.Confirmed) bool {
	sel := v.have.Selector(c.Selector)
	if v.inUse(c) {
		return sel.Key.GivenUp()
	}
	return slices.ContainsFunc(sel.Retired, func(r rotate.Retired) bool { return r.Leaked && r.KeyID == c.KeyID })
}

// onOther reports whether a signer says that it signs with the other selector's key, and mail
// signed with that verifies.
func (v *view) onOther(signer, selector string) bool {
	other := v.want.Policy.Other(selector)
	key, seen := v.have.Selector(other).Key, v.seen.Signers[signer]
	ref := v.have.Identify(seen.Ref)
	return seen.Err == nil && key != nil && ref.Selector == other && ref.KeyID == key.ID && !key.GivenUp() &&
		v.Standing(other) == Current
}

// revoke plans that a leaked key's record loses its key, unless it has already, or
// something else stands there.
func (d *draft) revoke(s string, from time.Time) {
	sel := d.have.Selector(s)
	seen := d.seen.Selectors[s]
	if sel.Key == nil || d.replaced(s) {
		return
	}
	if sel.Next != nil && d.obstacles[s] == nil && d.replaceable(s, true) == nil {
		return // the fresh key's record takes the place at once
	}
	standing := d.Standing(s)
	if d.have.Released != nil && standing == absent {
		return
	}
	if d.handsOff(s) || !sel.Key.RevokedAt.IsZero() && (standing != earlier && standing != doubled || sel.Next != nil) {
		return // where a fresh key is stored already, its record takes the place
	}
	if !from.After(d.now) {
		d.revoked[s] = true
	}
	before := strings.Join(seen.Sight.Values, " | ")
	d.step(rotate.Step{Kind: rotate.Revoke, Selector: s,
		Target: fmt.Sprintf("%s TXT, through %s", d.name(s), d.want.Provider), NotBefore: from,
		Reason: d.RevokeReason(s, "then"),
		Asked:  d.askedOf(s), From: rotate.Side{Record: before, KeyID: rotate.RecordKeyID(before)},
		To: rotate.Side{Record: rotate.RevokedRecord(sel.Key.Record)}, TTL: d.want.Policy.TTL})
}

// revokeReason says what a revocation means; from is when.
func (j *Judge) RevokeReason(s, from string) rotate.Reason {
	if j.have.Released != nil {
		return rotate.Reason{Code: codes.Purge, Message: "the domain was handed back, and no mail in flight needs the record"}
	}
	return rotate.Reason{Code: codes.Revoked, Message: "mail in flight signed with it fails from " + from + " on; " +
		j.accepted(s, j.now)}
}

// accepted says until when receivers may still accept a key that is revoked at at.
func (j *Judge) accepted(s string, at time.Time) string {
	caches := max(j.seen.Selectors[s].Sight.TTL, j.want.Policy.TTL)
	return fmt.Sprintf("receivers may accept the leaked key until %s from their resolvers' caches, "+
		"and those that keep keys until %s",
		at.Add(caches).UTC().Format(time.RFC3339), at.Add(rotate.MostKept).UTC().Format(time.RFC3339))
}

// destroyLeaked plans that a leaked private key is destroyed, not before from, once no signer needs it.
func (d *draft) destroyLeaked(s string, from time.Time) {
	key := d.have.Selector(s).Key
	if err := d.wrongKeystore(s); err != nil {
		d.stop(err)
		return
	}
	if !key.Gone {
		d.destroy(s, rotate.Retired{KeyID: key.ID, Version: key.Version}, from,
			rotate.Reason{Code: codes.Compromised, Message: "no signer signs with the leaked key any more"})
	}
}

// leftBehind returns the compromised key of which all is done but its destruction.
func leftBehind(st rotate.State) *rotate.Retired {
	for _, r := range st.Selector(st.Draining).Retired {
		if r.Leaked && !r.Dropped {
			return &r
		}
	}
	return nil
}
