package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// Somebody else, such as a DNS panel, may put a record in the place of dkimbot's at a selector that signers use.
// dkimbot never changes it (I6). What is here says where their mail can only become better by going elsewhere.

// Forsaken reports whether nothing can be signed with a selector's key any more, or not reliably: a server shows a
// record that dkimbot did not make, in the place of its own or beside it, or every server shows another domain's
// record, or leads nowhere; or dkimbot's is gone, and can't be published. No signer signs with that one's key.
func Forsaken(j *Judge, s string) bool {
	key := j.Have.Selector(s).Key
	if key == nil || j.Standing(s) != Foreign && !ledAway(j, s) && !stuck(j, s) || j.Stale(s) || j.Shared ||
		j.Have.Leaked(s) || len(j.Seen.Selectors[s].Sight.Bogus) > 0 {
		return false
	}
	return j.signsBy(s) == "" || j.otherTags(s) != ""
}

// stuck reports whether a selector's record is gone from every server, and could not be published again.
func stuck(j *Judge, s string) bool {
	f := j.Have.Failed
	return j.Have.Failures > 0 && f.Kind == rotate.Publish && f.Selector == s && shown.Gone(j.Seen.Selectors[s])
}

// ledAway reports whether a selector's name leads to another record of dkimbot's, or nowhere: no mail verifies there.
func ledAway(j *Judge, s string) bool {
	return (j.Taken(s) != nil || j.Misled(s) != nil) && j.Seen.Fate(s, j.Have.Selector(s).Key.ID) >= rotate.Fails
}

// AllFails reports whether a selector is forsaken and no mail verifies that is signed with its key: dkimbot's record
// does not stand there at all, or was rewritten so that verifiers refuse it. By one in test mode mail is unsigned.
func AllFails(j *Judge, s string) bool {
	if !Forsaken(j, s) || j.Seen.Selectors[s].Sight.Silent {
		return false
	}
	id := j.Have.Selector(s).Key.ID
	return !slices.ContainsFunc(j.Seen.Selectors[s].Sight.Values, func(v string) bool { return dkim.RecordKeyID(v) == id })
}

// Better returns the selector to which signers go from an active one that is forsaken, or that they can't be given
// though their mail fails or is not signed, and from when on they may; "" where there is none that is good: dkimbot's own
// key, in the keystore, shown alone by every server.
func Better(h *Check) (to string, at time.Time) {
	if to = h.Haven(); h.Have.Phase == rotate.Switching && len(h.Have.Held) == 0 {
		to = h.Have.Target
	}
	from := h.Have.Active
	if h.Have.Selector(to).Key == nil || h.Have.Leaked(from) || h.Stale(from) || !steady(h, to) {
		return "", time.Time{}
	}
	barred := h.HandsOff(from) && (h.Standing(from) != Foreign || h.signsBy(from) == "") || stuck(&h.Judge, from)
	for _, name := range h.Want.Signers {
		present := onPresent(&h.view, name, from)
		lost := !present && Stranded(&h.Judge, name) && (barred || Lacks(&h.Judge, name, from))
		if !lost && !(present && Forsaken(&h.Judge, from)) {
			continue
		}
		if leaves := BetterAt(h, name, to); at.IsZero() || leaves.Before(at) {
			at = leaves
		}
	}
	if at.IsZero() {
		return "", at
	}
	return to, at
}

// BetterAt returns when a signer goes to a better selector. If all its mail fails, receivers that may keep an older key
// of it are not waited for, and resolvers only as long as some may hold the record of what it signs with.
func BetterAt(h *Check, signer, to string) time.Time {
	seen, key, from := h.Seen.Signers[signer], h.Have.Selector(to).Key, h.Have.Active
	switch stranded := Stranded(&h.Judge, signer); {
	case stranded && (seen.Ref.Selector == to || h.Have.AlreadyReported(to) != nil): // what stood there is revoked
		return key.VerifiedAt
	case !stranded && !AllFails(&h.Judge, from):
		return slices.MaxFunc([]time.Time{h.Known(to), h.Usable(to), h.Returnable(to)}, time.Time.Compare)
	case !AllFails(&h.Judge, from), seen.Err == nil && seen.Ref.Selector != from:
		return h.Known(to)
	}
	forgotten := finding.LostSince(h.Have.Drift, from, h.Now).Add(max(h.Have.Selector(from).TTL, h.Want.Policy.TTL))
	return slices.MinFunc([]time.Time{h.Known(to), forgotten}, time.Time.Compare)
}

// Stranded reports whether a signer says that it signs with nothing, or with a key by which no mail verifies.
func Stranded(j *Judge, signer string) bool {
	seen, looked := j.Seen.Signers[signer]
	if !looked || seen.Err != nil {
		return false
	}
	ref := j.Have.Identify(seen.Ref)
	fate := j.Seen.Fate(ref.Selector, ref.KeyID)
	return ref.Selector == "" || fate == rotate.Fails || fate == rotate.Disowned
}

// steady reports whether dkimbot's own key at a selector is in the keystore, and every server shows it alone. Where a
// fresh one is stored that is not published, the old one is meant.
func steady(h *Check, s string) bool {
	sel, seen := h.Have.Selector(s), h.Seen.Selectors[s]
	switch {
	case h.Have.Leaked(s) || h.Stale(s) || h.HandsOff(s) || seen.Sight.Unchecked:
		return false
	case sel.Next == nil:
		own := h.Keeping(s) == keyKept || h.Keeping(s) == KeyDifferent && seen.KeyErr == nil && seen.Kept &&
			!slices.ContainsFunc(h.Want.Signers, func(name string) bool { return h.Seen.Fetchers[name] })
		return own && h.Standing(s) == Current
	}
	return sel.Next.PublishedAt.IsZero() && seen.OldKept && seen.SightErr == nil && seen.Sight.Complete &&
		len(seen.Sight.Values) == 1 && dkim.Serves(seen.Sight.Values[0], sel.Key.Record)
}

// LeadsOut reports whether all that mail which fails now waits for is a fresh key at the selector that is not active:
// somebody else's record stands at the active one, or a signer can't be given its key.
func LeadsOut(h *Check, s string) bool {
	from := h.Have.Active
	if to, _ := Better(h); to != "" || h.HandsOff(s) || BetterHeld(&h.Judge, s) || h.Have.Leaked(from) || h.Stale(from) {
		return false
	}
	return Forsaken(&h.Judge, from) || slices.ContainsFunc(h.Want.Signers, func(name string) bool {
		return !onPresent(&h.view, name, from) && Stranded(&h.Judge, name) && Lacks(&h.Judge, name, from)
	})
}

// Lacks reports whether a signer can't be given a selector's key until a person restores that in the keystore.
func Lacks(j *Judge, signer, s string) bool {
	err, top := fault.UnlessTransient(j.Seen.Selectors[s].KeyErr), j.Seen.Fetchers[signer] && j.Keeping(s) == KeyDifferent
	return top || err != nil && !j.CanFetch(signer, s) || j.OutOfKeystore(signer, s) // it fetches the newest
}

// BetterHeld reports whether a hold keeps signers from going to a selector: not where none signs with the active key.
func BetterHeld(j *Judge, to string) bool {
	signs := slices.ContainsFunc(j.Want.Signers, func(name string) bool { return onPresent(&j.view, name, j.Have.Active) })
	return signs && j.Have.Phase != rotate.Switching && j.Have.OnHold.Concerns(j.Have.Selector(to).Key)
}

// goesElsewhere returns the selector to which all signers go that should sign with another one, "" where they stay.
func (h *Check) goesElsewhere(should string) string {
	if to, _ := Better(h); should == h.Have.Active && to != "" && !BetterHeld(&h.Judge, to) {
		return to
	}
	return ""
}

// mailLost says that signers sign with a selector in the place of whose record somebody has put another one: their mail
// fails until they leave it.
func (h *Check) mailLost(s string) *finding.Finding {
	on := slices.DeleteFunc(slices.Clone(h.Want.Signers), func(name string) bool { return !onPresent(&h.view, name, s) })
	if len(on) == 0 || !AllFails(&h.Judge, s) {
		return nil
	}
	repair, asks := h.sheltered(s)
	return finding.Lost(h.Want.Name, s, on, len(on) == len(h.Want.Signers), shown.LedTo(h.Seen, h.Name(s)), repair, asks)
}

// sheltered says what becomes of signers whose selector holds a record of somebody else's.
func (h *Check) sheltered(s string) (says string, asks bool) {
	to, at := Better(h)
	switch {
	case s == h.Have.Target && h.Standing(h.Have.Active) == Current:
		return "signers go back to " + h.Have.Active + " by themselves", false
	case s == h.Have.Active && h.Have.Phase == rotate.Switching && len(h.Have.Held) > 0:
		first := ""
		if h.named != nil { // a rotation is refused till then, and so is the move while signers are on two selectors
			first = fmt.Sprintf("put 'selectors: [%s]' back into the policy; then ", strings.Join(h.underRoles(), ", "))
		}
		return fmt.Sprintf("signers were sent back to it; %s'dkimbot rotate --domain %s' brings all to %s; "+
			"or see what is said of that record", first, h.Want.Name, h.Have.Target), true
	case to == "" || s != h.Have.Active:
		return "see what is said of that record", true
	case BetterHeld(&h.Judge, to):
		return fmt.Sprintf("the domain is on hold, so signers stay: 'dkimbot unhold --domain %s' lets them go to %s by themselves; "+
			"or see what is said of that record", h.Want.Name, to), true
	}
	return finding.GoTo(to, s, calendar.Until(at), h.Now.Before(at)), false
}
