package follow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Moved returns the state of a domain that begins again with other selectors. Its signers continue to sign as they do
// until they are given the new ones, as those of a domain that is moved over to dkimbot: to the domain the old
// selectors are former ones from here on. Their private keys are kept until no mail needs them.
func Moved(st rotate.State, p rotate.Policy, signers []string) rotate.State {
	fresh := rotate.CopyState(st).Restarted()
	earlier := fresh.Earlier
	if earlier == nil {
		earlier = rotate.Earlier{}
	}
	origin := &rotate.Origin{Active: st.Active, SwitchedAt: st.SwitchedAt}
	for _, name := range slices.Sorted(maps.Keys(st.Selectors)) { // in order: it decides that of the former ones
		earlier[name] = st.Selectors[name].Remainder()
		for _, signer := range signers {
			fresh.Former = fresh.Former.Uses(signer, name)
		}
	}
	copy(origin.Pair[:], slices.Sorted(maps.Keys(st.Selectors)))
	fresh.Selectors, fresh.Earlier, fresh.Origin = map[string]*rotate.Selector{}, earlier, origin
	for _, name := range p.Selectors { // a name that was the domain's once: receivers may remember its keys
		if sel := earlier[name]; sel != nil {
			if sel.TakeBack(); sel.Key != nil { // no signer was given it; it is looked up again
				sel.Key.VerifiedAt = time.Time{}
				fresh.Enter(rotate.Bootstrapping)
				fresh.Target = p.Selectors[0]
			}
			fresh.Selectors[name] = sel
			delete(earlier, name)
		}
	}
	fresh.Knows(p.Selectors) // also where no key is made yet: the order says where to move
	return fresh
}

// MovedBack returns the state of a domain as it was before it moved over to other selectors, which CanMoveBack has
// allowed. Signers that were given a new one are given the old one again, and the new records are left alone until
// their mail has arrived.
func MovedBack(st rotate.State, signers []string, now time.Time) rotate.State {
	fresh := rotate.CopyState(st)
	gone, origin := fresh.Selectors, *fresh.Origin
	back := fresh.Restarted()
	back.Selectors, back.Former = map[string]*rotate.Selector{}, fresh.Former
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		if slices.Contains(origin.Pair[:], name) {
			continue // the policy named it again, and nothing was made there
		}
		if i := st.Intent; gone[name].Untouched() && (i == nil || i.Selector != name) {
			continue // nothing was made there
		}
		kept := gone[name].Remainder()
		if k := kept.Key; k != nil && k.MayBePublic() && k.VerifiedAt.IsZero() {
			k.PublishedAt = now // it was tried until now, also where no answer came
		}
		if i := st.Intent; i != nil && i.Kind == rotate.StoreKey && i.Selector == name { // it may be there, unheard
			kept.Retired = append(kept.Retired, rotate.Retired{KeyID: i.KeyID, Version: i.Version + 1})
		}
		back.Earlier[name] = kept
		for _, signer := range append(slices.Sorted(maps.Keys(st.Signers)), signers...) { // also those that are not listed
			c := st.Signers[signer]
			given := st.Intent.Switches(signer) && st.Intent.Selector == name
			used := slices.Contains(signers, signer) && !kept.LastUsedAt.IsZero()
			if given || c.Selector == name || c.Unsure || used {
				back.Former = back.Former.Uses(signer, name)
			}
		}
	}
	for _, name := range origin.Pair {
		sel := back.Earlier[name]
		sel.TakeBack()
		back.Selectors[name] = sel
		delete(back.Earlier, name)
	}
	for _, f := range back.Former {
		signsOffTheList(&back, f, origin.Active, signers, now)
	}
	back.Former = slices.DeleteFunc(back.Former, func(f rotate.Former) bool { return back.Selectors[f.Selector] != nil })
	back.Enter(rotate.Bootstrapping)
	back.Enter(rotate.Ready)
	back.Active, back.SwitchedAt, back.Origin = origin.Active, origin.SwitchedAt, nil
	back.Selectors[back.Active].LastUsedAt = now
	return back
}

// signsOffTheList notes that a signer which is not listed signs with a selector to which a domain goes back, or did so
// until a time: that selector's drain counts from then (I2). Of one that may sign with both that is the active one.
func signsOffTheList(back *rotate.State, f rotate.Former, active string, listed []string, now time.Time) {
	sel := back.Selectors[f.Selector]
	if sel == nil || slices.Contains(listed, f.Signer) {
		return
	}
	c := rotate.Confirmed{Selector: f.Selector, KeyID: sel.Key.ID, At: now, Left: true, Signs: f.Until.IsZero()}
	if left := f.Until.Add(-sel.Drain - rotate.Grace); !c.Signs && left.Before(now) {
		c.At = left
	}
	if had := back.Signers[f.Signer]; c.Signs && (!had.Signs || f.Selector == active) || c.At.After(had.At) {
		back.Signers[f.Signer] = c
	}
}

// CanMoveBack reports whether the domain still has all that it had before it moved over to other selectors: no
// rotation has begun at the new ones, and no private key of the old ones was destroyed.
func CanMoveBack(st rotate.State) bool {
	if st.Origin == nil || st.Released != nil || st.Intent != nil && st.Intent.Kind == rotate.Destroy {
		return false
	}
	for _, name := range st.Origin.Pair {
		if sel := st.Earlier[name]; sel == nil || sel.Key == nil || sel.Key.Gone || sel.Key.Doomed {
			return false
		}
		if sel := st.Selectors[name]; sel != nil && !sel.Untouched() {
			return false
		}
	}
	return st.Phase == rotate.New || st.Phase == rotate.Bootstrapping || st.Phase == rotate.Ready
}

// OriginOf returns the selectors that a domain had before its last move, in order; nil where it can't go back there.
func OriginOf(st rotate.State) []string {
	if !CanMoveBack(st) {
		return nil
	}
	return st.Origin.Pair[:]
}

// Moving reports whether the domain moves over to other selectors, and signers may still sign with those from before.
func Moving(st rotate.State) bool { return st.Active == "" && OriginOf(st) != nil }

// Unused reports whether a key at a selector that the domain had earlier is left, or may yet appear, and no signer
// was ever given it.
func Unused(st rotate.State, selector string) bool {
	sel := st.Earlier[selector]
	return sel != nil && (sel.Key == nil && len(sel.Tried) > 0 || sel.Key != nil && sel.Key.Leaked.IsZero()) &&
		!slices.ContainsFunc(st.Former, func(f rotate.Former) bool { return f.Selector == selector })
}

// slowestShown is how long after it was published a record may come to DNS that no look has shown: name servers may be
// days behind.
const slowestShown = 7 * 24 * time.Hour

// MayAppear returns until when the record of a key may still come to DNS: it was published, and not seen
// since; zero where that can't be, or where the key was revoked.
func MayAppear(key *rotate.Key) time.Time {
	if key == nil || !key.MayBePublic() || !key.VerifiedAt.IsZero() || !key.RevokedAt.IsZero() {
		return time.Time{}
	}
	return key.PublishedAt.Add(slowestShown)
}

// AppearReason says why the private key at a selector that the domain had earlier is kept while its record may come.
func AppearReason(s string) rotate.Reason {
	return rotate.Reason{Code: codes.SelectorLeft, Message: fmt.Sprintf("the record of %s was published, and DNS has not "+
		"shown it yet: it may come late, and is to be removed then", s)}
}

// Misnamed refuses to begin a move at other selectors than it was ordered for: at those from which the domain is just
// moving away, whose keys signers use, or at others to which it was not ordered.
func Misnamed(want rotate.Domain, have rotate.State) error {
	named, to := want.Policy.Selectors[:], SelectorPair(have)
	left := func(s string) bool { return slices.Contains(have.Origin.Pair[:], s) }
	unordered := func(s string) bool { return len(have.Selectors) == 2 && !slices.Contains(to[:], s) }
	if have.Phase != rotate.New || !Moving(have) || !slices.ContainsFunc(named, left) &&
		!slices.ContainsFunc(named, unordered) {
		return nil
	}
	moves, back := "", "the new selectors"
	if len(have.Selectors) == 2 {
		moves, back = " to "+strings.Join(to[:], " and "), fmt.Sprintf("'selectors: [%s]'", strings.Join(to[:], ", "))
	}
	hint := "'dkimbot rollback --domain " + want.Name + "' cancels the move; or put " + back + " back into its policy"
	if !slices.ContainsFunc(named, left) {
		hint += "; or move it to those that are named: 'dkimbot rotate --domain " + want.Name + " --change-selectors'"
	}
	return fault.Refuse(codes.SelectorsChanged, fmt.Sprintf("%s moves over from the selectors %s%s, and its policy names %s",
		want.Name, strings.Join(have.Origin.Pair[:], " and "), moves, strings.Join(named, " and ")), hint)
}

// SelectorPair returns the two selectors of the state, in the order of their names.
func SelectorPair(st rotate.State) (pair [2]string) {
	copy(pair[:], slices.Sorted(maps.Keys(st.Selectors)))
	return pair
}

// LeftBehind returns the compromised key of which all is done but its destruction.
func LeftBehind(st rotate.State) *rotate.Retired {
	for _, r := range st.Selector(st.Draining).Retired {
		if r.Leaked && !r.Dropped {
			return &r
		}
	}
	return nil
}

// AllSign reports whether all signers that answer say that they sign with a selector, also where the state has them at
// another one: a person has switched them, or the state is an older one.
func AllSign(seen rotate.Observation, signers []string, selector string) bool {
	asked := 0
	for _, name := range signers {
		at, looked := seen.Signers[name]
		if !looked || at.Err != nil {
			continue
		}
		if asked++; !at.At(selector) {
			return false
		}
	}
	return asked > 0
}
