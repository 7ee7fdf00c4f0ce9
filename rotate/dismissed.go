package rotate

import (
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// A signer that was taken off a domain's list may continue to sign. It is given no key any more: who took it off may
// not trust its host. But as long as the configuration has it, it is asked, and its mail is to verify.

// Dismissed returns the signers that signed for the domain, perhaps with a selector of before, and are not among those
// that are listed.
func Dismissed(st State, listed []string) []string {
	names := slices.Collect(maps.Keys(st.Signers))
	for _, f := range st.Former {
		if f.Until.IsZero() || !st.Earlier.Emptied(f.Selector) {
			names = append(names, f.Signer)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return slices.Contains(listed, name) })
}

// heard notes what signers say that are no longer listed. One that does not sign with a key of the domain any more, or
// did not say so before, may have done so until now, and for its lag: mail of that time is under way (I2). So may one
// that says another key than it was noted with: the drain of the former counts from then (I10). It returns until when
// the active key may have been left by one of them; now where none did.
func heard(st *State, dismissed map[string]SignerSeen, lags map[string]time.Duration, now time.Time) (until time.Time) {
	until = now
	for name, s := range dismissed {
		c, known := st.Signers[name]
		if !known || !c.Left {
			continue
		}
		ref, ceased := s.Known(*st), now.Add(lags[name])
		switch {
		case s.Err != nil || s.Unheard != nil:
			c.Silent = true
		case ref.Selector != "":
			if !c.Silent && !c.Signs && c.At.Before(now) {
				ceased = c.At // it had said so
			}
			left := func(s string) bool { k := st.Selector(s).Key; return k != nil && k.ID == c.KeyID && k.ID != ref.KeyID }
			if left(st.Draining) {
				st.drainAgain(ceased)
			} else if left(st.Active) && ceased.After(until) {
				until = ceased
			}
			c.Selector, c.KeyID, c.Silent, c.Signs = ref.Selector, ref.KeyID, false, true
		case c.Silent || c.Signs:
			c.At, c.Silent, c.Signs = ceased, false, false
		}
		st.Signers[name] = c
	}
	return until
}

// Known returns the key that a signer says it signs with, if it is one that the domain has or had; else zero.
func (s SignerSeen) Known(st State) dkim.Ref {
	for _, ref := range s.Refs() {
		ref = st.Identify(ref)
		sel := st.Selector(ref.Selector)
		if key := sel.Key; key != nil && key.ID == ref.KeyID || slices.Contains(sel.Past, ref.KeyID) {
			return ref
		}
	}
	return dkim.Ref{}
}

// dismissed notes that some signers were taken out of the configuration: until now
// each may have signed with what it confirmed. One that drifted, and did not confirm
// that it came back, may have signed with the draining selector (I2, I10).
func (st *State) dismissed(want Domain, now time.Time) {
	for name, c := range st.Signers {
		arrived := now.Add(-LongestDrain(st.Selectors, want.Policy))
		if c.Left && !slices.Contains(want.Signers, name) && c.forgettable(st.Selector(c.Selector), arrived) {
			delete(st.Signers, name)
			continue
		}
		switch left := !slices.Contains(want.Signers, name); {
		case !left:
			c.Left, c.Silent, c.Signs = false, false, false
		case c.Unsure:
			st.drainAgain(now)
			fallthrough
		case !c.Left:
			c.Unsure, c.Left, c.At = false, true, now
			c.Silent = c.Silent || slices.ContainsFunc(st.Drift,
				func(f finding.Finding) bool { return f.Code == codes.SignerSilent && f.Signer == name })
		}
		st.Signers[name] = c
	}
}

// forgettable reports whether nothing is left to say of a signer that was taken out of the configuration: it
// left before then, and the key that it used at sel was replaced. Of one that did not answer then, and so
// may sign with it, people are informed until the next one is replaced, too.
func (c Confirmed) forgettable(sel Selector, then time.Time) bool {
	for _, key := range sel.keys() {
		if key.ID == c.KeyID {
			return false
		}
	}
	if c.Signs {
		return false
	}
	last := len(sel.Past) - 1
	replaced := slices.Contains(sel.Past, c.KeyID) && !(c.Silent && sel.Past[last] == c.KeyID)
	return replaced && c.At.Before(then)
}
