package rotate

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// MostKept is how long receivers keep a key at most (I2).
const MostKept = 7 * 24 * time.Hour

// Suspect returns the selector whose key is meant when none is named. Who says once
// more that the key is compromised, because not everything could be done at once, means
// the key that signers have just left, and not the good one that they came to.
func (st State) Suspect() string {
	if key := st.Selector(st.Draining).Key; st.Leaked(st.Draining) && !key.Leaked.After(st.SwitchedAt) {
		return st.Draining
	}
	if st.Phase == Bootstrapping && !st.Leaked(st.Target) {
		for _, name := range slices.Sorted(maps.Keys(st.Selectors)) {
			if st.Leaked(name) || st.AlreadyReported(name) != nil {
				return name // signers leave it for the target
			}
		}
	}
	return cmp.Or(st.Active, st.Target)
}

// Fled is a key that signers were to use when it was reported as compromised.
type Fled struct {
	Selector string    `json:"selector"`
	KeyID    string    `json:"key_id"`
	At       time.Time `json:"at"`
}

// AlreadyReported returns the compromised key of a selector that is on its way out while
// another one takes its place, or is to: who reports the selector once more, because not
// everything could be done at once, means that one. Nil when there is none.
func (st State) AlreadyReported(selector string) *Retired {
	for _, r := range st.Selector(selector).Retired {
		if r.Leaked {
			return &r
		}
	}
	return nil
}

// Reportable reports whether a selector has a key that can be reported as compromised, or has one that was.
func (st State) Reportable(selector string) bool {
	return st.Selector(selector).Key != nil || st.AlreadyReported(selector) != nil
}

// Emergency reports whether a key that was reported as compromised still stands, or one
// that did has yet to be destroyed.
func (st State) Emergency() bool {
	for name := range st.Selectors {
		if st.Leaked(name) || st.AlreadyReported(name) != nil {
			return true
		}
	}
	return false
}

// TakeFlight enters the phase in which the planner can leave a compromised key. The selectors in
// reported are those whose key was not reported before: a fresh key on its way there is meant, too.
// One that is made because of an earlier report stays.
func (st *State) TakeFlight(p Policy, reported []string, now time.Time) {
	for _, name := range reported {
		if st.Phase == Bootstrapping {
			st.Selectors[name].dropUnpublished()
		}
	}
	switch active, target := st.Leaked(st.Active), st.Leaked(st.Target); {
	case st.Phase == Bootstrapping && target && !st.Leaked(p.Other(st.Target)):
		st.Target = p.Other(st.Target)
	case st.Phase == Ready && st.Leaked(p.Other(st.Active)):
		st.Enter(Draining)
		st.Draining = p.Other(st.Active) // the standby is replaced; the active key's turn comes then
	case st.Phase == Replacing && st.Leaked(st.Draining) && slices.Contains(reported, st.Draining):
		st.Selectors[st.Draining].dropFresh(now)
		st.Enter(Draining)
	case st.Phase == Switching && active && target &&
		(st.Selector(st.Active).Key.RevokeNow || st.Signers.reached(st.Target, true)):
		// Nothing is gained by coming to the other one: the one that signers are to leave is replaced,
		// and no signer is waited for.
		st.Enter(Draining)
		st.Active, st.Draining, st.Target, st.Held, st.SwitchedAt = st.Target, st.Active, "", nil, now
	case st.Phase == Switching && active && target && !st.Relied(st.Target):
		st.Enter(Draining)
		st.Draining, st.Target, st.Held = st.Target, "", nil
	case st.Phase == Switching && active:
		st.Held = nil
	case st.Phase == Switching && target:
		st.Active, st.Target, st.Held = st.Target, st.Active, nil
		for name, c := range st.Signers {
			c.Unsure = true
			st.Signers[name] = c
		}
	}
}

// Revoked notes that the provider has taken the revoked record. A domain that is being
// brought up gets a fresh key there; the old one is destroyed when no signer has it.
func (st *State) Revoked(selector string, now time.Time) {
	sel := SelectorAt(*st, selector)
	sel.Key.RevokedAt, st.Intent = now, nil
	if st.Phase == Bootstrapping && left(st, selector) == nil {
		sel.Retired = append(sel.Retired, Retired{KeyID: sel.Key.ID, Version: sel.Key.Version, Dropped: true, Leaked: true})
		sel.Key = nil // revoking has put it among the past ones
	}
}

// startOver has the active key, which was revoked, replaced by a fresh one, where signers can't be given the other key:
// its selector counts as the one that they have left, and they come back to it.
func (st *State) startOver(p Policy, at time.Time) {
	if sel := st.Selectors[st.Draining]; sel != nil && sel.Next != nil && sel.Next.MayBePublic() {
		st.Verified(st.Draining, at) // the key before it does not come back
		sel.Key.VerifiedAt = time.Time{}
	} else if sel != nil {
		sel.dropFresh(at)
	}
	if st.Phase == Switching {
		st.Enter(Draining)
	}
	st.Active, st.Draining, st.Target, st.Held, st.SwitchedAt = p.Other(st.Active), st.Active, "", nil, at
	st.Enter(Replacing)
}
