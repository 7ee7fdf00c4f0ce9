package rotate

import (
	"cmp"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// The functions of this file move a State on. They are pure: each takes what was confirmed
// and when, and changes the copy that it is given. Phases change by enter only.

// MostAhead is how far ahead of now a noted time may lie: more than any activation
// lag. What lies further ahead was noted when the clock was wrong.
const MostAhead = 7 * 24 * time.Hour

// AsOf returns a copy of st for use at now, in which nothing happened later than now. Without that, a clock
// that once ran ahead by years would stop the domain for years. Compared with what really happened, this can
// only make waits longer.
func (st State) AsOf(now time.Time) State {
	st = CopyState(st)
	st.Enter(cmp.Or(st.Phase, New))
	if st.RevokeNow {
		st.RevokeNow = false
		if sel := st.Selectors[st.Active]; sel != nil && sel.Key != nil {
			sel.Key.RevokeNow = true
		}
	}
	latest := now.Add(MostAhead)
	st.eachTime(func(t *time.Time) {
		if t.After(latest) {
			*t = latest
		}
	})
	for _, sel := range st.Selectors {
		sel.notLater(now)
	}
	st.notReady()
	return st
}

// Begin notes an intent and enters the phase that it belongs to (I7).
func (st *State) Begin(i Intent, p Policy) {
	old := st.Intent
	same := old != nil && old.Kind == i.Kind && old.Selector == i.Selector
	i.Again = same && (old.Signer == i.Signer || old.Switches(i.Signer))
	st.Intent, st.Next = &i, nil // the next is unknown until the work is at rest; an interrupted one is taken up at once
	st.Released = st.Released.clearing()
	switch {
	case left(st, i.Selector) != nil: // no phase belongs to one that the domain had earlier
	case st.Phase == New:
		st.Enter(Bootstrapping)
		st.Target = p.Selectors[0]
		st.Knows(p.Selectors)
	case i.Kind == StoreKey && i.Selector == st.Active:
		st.startOver(p, i.At)
	case st.Phase == Draining && i.Kind == StoreKey:
		st.Enter(Replacing)
	case st.Phase == Ready && i.Kind == StoreKey: // the standby's private key was lost, or is to be another one
		st.Enter(Replacing)
		st.Draining = i.Selector
	case st.Phase == Switching && i.Kind == StoreKey: // the key there was lost before a signer came to it
		st.Enter(Draining)
		st.Enter(Replacing)
		st.Draining, st.Target, st.Held = i.Selector, "", nil
	case st.Phase == Ready && i.Kind == Activate && i.Selector != st.Active:
		st.Enter(Switching)
		st.Target = i.Selector
		st.OnHold = st.OnHold.afterSwitch()
	case (st.Phase == Draining || st.Phase == Replacing) && i.Kind == Activate && i.Selector == st.Draining:
		// signers leave the active key for the one there
		st.Selectors[st.Draining].dropFresh(i.At)
		st.Enter(Switching)
		st.Target, st.Draining = st.Draining, ""
	}
	switch sel := st.Selectors[i.Selector]; {
	case i.Kind == StoreKey:
		sel.Tried = append(sel.Tried, i.KeyID)
	case i.Kind == Destroy && sel != nil && sel.Key != nil && sel.Key.ID == i.KeyID:
		sel.Key.Doomed = true
	}
}

// Stored notes that a private key is in the keystore and was read back (I4).
func (st *State) Stored(selector string, k Key) {
	sel := st.Selectors[selector]
	if st.Phase == Bootstrapping {
		k.Replaced, k.CacheWait = sel.Remembered(), sel.PrecededTTL
		sel.Key = &k
		if st.Leaked(st.Target) {
			st.Target = selector // signers leave the other one, which is compromised
		}
	} else {
		k.Replaced = true
		sel.dropNext(k.StoredAt) // one that the keystore has lost
		sel.Next = &k
	}
	sel.Tried, st.Intent = nil, nil
}

// Published notes that the provider has taken the record.
func (st *State) Published(selector string, now time.Time) {
	SelectorAt(*st, selector).Wanted().PublishedAt = now
	st.Intent = nil
}

// PastKeys is how many replaced keys a selector remembers: two years' worth and more.
const PastKeys = 24

// Verified notes that every authoritative server shows the record. A fresh key
// takes its place then, and the old one is to be destroyed (I5).
func (st *State) Verified(selector string, now time.Time) {
	sel := st.Selectors[selector]
	k := sel.Wanted()
	if k.VerifiedAt.IsZero() {
		k.VerifiedAt = now
	}
	if sel.Next != nil {
		if !sel.Key.Gone {
			sel.Retired = append(sel.Retired,
				Retired{KeyID: sel.Key.ID, Version: sel.Key.Version, Leaked: !sel.Key.Leaked.IsZero()})
		}
		sel.Revoked = !sel.Key.RevokedAt.IsZero()
		if !slices.Contains(sel.Past, sel.Key.ID) { // a revocation has put it there
			sel.Past = append(sel.Past, sel.Key.ID)
		}
		sel.Past = sel.Past[max(0, len(sel.Past)-PastKeys):]
		sel.Key, sel.Next, sel.Drain, sel.Renew = sel.Next, nil, 0, false
		st.rested(selector)
	}
}

// Activated notes that a signer confirmed the selector, surely in effect at at; the last one ends the switch (I10).
func (st *State) Activated(signer string, ref dkim.Ref, at time.Time, signers []string) {
	if switched(st, signer); left(st, ref.Selector) != nil { // until the domain has moved over to others
		st.Former = st.Former.Uses(signer, ref.Selector)
		return
	}
	old := st.Signers[signer]
	c := Confirmed{Selector: ref.Selector, KeyID: ref.KeyID, At: at, Was: old.Was, Tables: old.Tables}
	if old.Selector == c.Selector && old.KeyID == c.KeyID && at.Sub(old.At) < finding.ContestedFor {
		c.Undone = old.Undone
	}
	st.Signers[signer] = c
	if ref.Selector == st.Active {
		st.drainAgain(at)
	}
	st.CompleteSwitch(signers, time.Time{})
}

// drainAgain starts the drain at a later time, until which a signer may have used
// the draining selector; once its fresh record was published that saves nothing any more.
func (st *State) drainAgain(at time.Time) {
	sel := st.Selectors[st.Draining]
	if sel == nil || st.Phase == Replacing && sel.InPlace() || sel.Next != nil && !sel.Next.PublishedAt.IsZero() ||
		at.Before(st.SwitchedAt) {
		return
	}
	st.SwitchedAt, sel.LastUsedAt = at, at
}

// Heed takes account of what was seen of the signers, and of those that were taken
// out of the configuration. It reports whether a switch is complete by that. lags says
// how long each signer may continue as before when it has been changed; nil: not at all.
func (st *State) Heed(want Domain, seen Observation, lags map[string]time.Duration, now time.Time) bool {
	st.noticed(seen)
	st.Selectors[st.Active].Promised(want.Policy.Drain)
	st.Selectors[st.Draining].Promised(want.Policy.Drain) // a signer may have come back to it unseen
	if st.Relied(st.Target) {
		st.Selectors[st.Target].Promised(want.Policy.Drain)
	}
	for name, s := range seen.Selectors {
		st.Disturbed(name, s, now)
	}
	st.watchFormer(want, seen, now)
	st.StillUsed(want, seen, lags, now)
	st.dismissed(want, now)
	until := heard(st, seen.Dismissed, lags, now)
	was := st.Phase
	complete := st.CompleteSwitch(want.Signers, until)
	st.AllLeft(was, want.Policy.Drain)
	return complete
}

// noticed notes which signers were seen to sign with something else than they confirmed. A signer that drifted does not
// come back unnoticed: it has to confirm again, so that the drain starts again (I10).
func (st *State) noticed(seen Observation) {
	for name, s := range seen.Signers {
		c, ok := st.Signers[name]
		ref := st.Identify(s.Ref)
		differs := ref.Selector != c.Selector || ref.KeyID != c.KeyID
		if ok && s.Err == nil && (differs || s.Here.Selector != "") {
			if differs && !c.Unsure && dkim.UnfitFor(ref.KeyID) == "" { // else its key was not changed
				c.Undone++
			}
			c.Unsure = true
			st.Signers[name] = c
		}
	}
}

// CompleteSwitch enters the phase after a switch when all signers have confirmed it, and reports whether it did. The
// switch was complete at atLeast or later: a signer that was taken out of the configuration meanwhile may have signed
// with the old selector until then (I10).
func (st *State) CompleteSwitch(signers []string, atLeast time.Time) bool {
	if st.Phase != Bootstrapping && st.Phase != Switching || st.Target == "" || len(signers) == 0 {
		return false
	}
	if st.HeldAll(signers) {
		return st.completeRollback(signers, atLeast)
	}
	last, done := st.Signers.all(st.Target, st.Selector(st.Target).Key, signers, atLeast)
	if !done || st.Phase == Bootstrapping && !bothKeys(st.Selectors) {
		return false
	}
	old := st.Active
	st.Active, st.Target, st.SwitchedAt, st.Held = st.Target, "", last, nil
	if st.Phase == Bootstrapping {
		st.Enter(Ready)
		return true
	}
	st.Enter(Draining)
	st.Draining = old
	st.drainAgain(last)
	if !st.Leaked(old) {
		st.Fled = Fled{}
	}
	return true
}

// completeRollback makes the domain ready again as it was before the switch, when
// all signers have confirmed that they went back.
func (st *State) completeRollback(signers []string, atLeast time.Time) bool {
	last, done := st.Signers.all(st.Active, st.Selector(st.Active).Key, signers, atLeast)
	if !done {
		return false
	}
	if sel := st.Selectors[st.Target]; sel != nil {
		sel.LastUsedAt = last
	}
	st.OnHold = st.OnHold.afterRollback(st.Selector(st.Target).Key, last)
	st.Enter(Ready)
	st.Target, st.SwitchedAt, st.Held = "", last, nil
	st.notReady()
	return true
}

// notReady has the other selector's key replaced, where that is compromised: signers that were
// sent back have left it, and no rotation may lead to it.
func (st *State) notReady() {
	for s := range st.Selectors {
		if st.Phase == Ready && s != st.Active && st.Leaked(s) {
			st.Enter(Draining)
			st.Draining = s
		}
	}
}

// Destroyed notes that a private key is gone; with the last replaced one the rotation is over.
func (st *State) Destroyed(selector, keyID string) {
	if left := left(st, selector); left != nil {
		left.Retired = slices.DeleteFunc(left.Retired, func(r Retired) bool { return r.KeyID == keyID })
		if left.Key != nil && left.Key.ID == keyID {
			left.Key = nil
		}
		st.Intent = nil
		return
	}
	sel := st.Selectors[selector]
	sel.Retired = slices.DeleteFunc(sel.Retired, func(r Retired) bool { return r.KeyID == keyID })
	if sel.Key != nil && sel.Key.ID == keyID {
		sel.Key.Gone = true
	}
	st.Intent = nil
	st.rested(selector)
}

// rested enters the phase after a replacement when nothing of it is left to do. A
// fresh key that was compromised meanwhile is replaced in turn.
func (st *State) rested(selector string) {
	sel := st.Selectors[selector]
	if sel.InPlace() || sel.Next != nil || st.Phase != Replacing || st.Draining != selector || sel.Key.Gone {
		return
	}
	if st.Leaked(selector) {
		st.Enter(Draining)
		return
	}
	st.Enter(Ready)
	st.Draining = ""
}
