package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Somebody else, such as a DNS panel, may put a record in the place of dkimbot's at a selector that signers use.
// dkimbot never changes it (I6). What is here says where their mail can only become better by going elsewhere.

// Forsaken reports whether nothing can be signed with a selector's key any more, or not reliably: a server shows a
// record that dkimbot did not make, in the place of its own or beside it, and no signer signs with that one's key.
func Forsaken(j *Judge, s string) bool {
	key := j.Have.Selector(s).Key
	if key == nil || j.Standing(s) != Foreign || len(j.Seen.Selectors[s].Sight.Bogus) > 0 || j.Adopting(s) || j.Stale(s) ||
		j.Shared || j.Have.Leaked(s) {
		return false
	}
	return j.signsBy(s) == "" || j.otherTags(s) != ""
}

// AllFails reports whether a selector is forsaken and no mail verifies that is signed with its key: dkimbot's record
// does not stand there at all, or was rewritten so that verifiers refuse it.
func AllFails(j *Judge, s string) bool {
	if !Forsaken(j, s) || j.InTestMode(s) || j.Seen.Selectors[s].Sight.Silent {
		return false
	}
	id := j.Have.Selector(s).Key.ID
	return j.otherTags(s) != "" ||
		!slices.ContainsFunc(j.Seen.Selectors[s].Sight.Values, func(v string) bool { return dkim.RecordKeyID(v) == id })
}

// Better returns the selector to which signers go from a forsaken one, and from when on they may; "" where there is
// none that is good: dkimbot's own key, in the keystore, shown alone by every server. Where all mail fails only
// resolvers are waited for, not receivers that may keep an older key of it: mail there can't fail more than it does.
func Better(h *Check) (to string, at time.Time) {
	if to = h.Haven(); h.Have.Phase == rotate.Switching && len(h.Have.Held) == 0 {
		to = h.Have.Target
	}
	from, key := h.Have.Active, h.Have.Selector(to).Key
	if key == nil || !Forsaken(&h.Judge, from) || h.Have.Leaked(to) ||
		!slices.ContainsFunc(h.Want.Signers, func(name string) bool { return h.onPresent(name, from) }) ||
		h.Stale(to) || h.HandsOff(to) || h.Have.Selector(to).Next != nil || h.Keeping(to) != keyKept ||
		h.Standing(to) != Current || h.Seen.Selectors[to].Sight.Unchecked {
		return "", time.Time{}
	}
	if at = h.Known(to); !AllFails(&h.Judge, from) {
		at = slices.MaxFunc([]time.Time{at, h.Usable(to), h.Returnable(to)}, time.Time.Compare)
	}
	return to, at
}

// BetterHeld reports whether a person's hold, or one after a rollback, keeps signers from going to a selector.
func BetterHeld(j *Judge, to string) bool {
	return j.Have.Phase != rotate.Switching && j.Have.OnHold.Concerns(j.Have.Selector(to).Key)
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
	on := slices.DeleteFunc(slices.Clone(h.Want.Signers), func(name string) bool { return !h.onPresent(name, s) })
	if s == "" || len(on) == 0 || !AllFails(&h.Judge, s) {
		return nil
	}
	who := fmt.Sprintf("mail of %s through %s fails", h.Want.Name, strings.Join(on, ", "))
	if len(on) == len(h.Want.Signers) {
		who = fmt.Sprintf("all mail of %s fails", h.Want.Name)
	}
	repair, asks := h.sheltered(s)
	return &finding.Finding{Code: codes.MailFails, Selector: s, Repair: repair, Asks: asks, Message: who +
		" now: it is signed with " + s + ", where DNS shows no record of dkimbot's that verifiers accept"}
}

// sheltered says what becomes of signers whose selector holds a record of somebody else's.
func (h *Check) sheltered(s string) (says string, asks bool) {
	to, at := Better(h)
	switch {
	case s == h.Have.Target && h.Standing(h.Have.Active) == Current:
		return "signers go back to " + h.Have.Active + " by themselves", false
	case s == h.Have.Active && h.Have.Phase == rotate.Switching && len(h.Have.Held) > 0:
		first := ""
		if h.moves { // a rotation is refused till then, and so is the move while signers are on two selectors
			first = fmt.Sprintf("put 'selectors: [%s]' back into the policy; then ", strings.Join(h.underRoles(), ", "))
		}
		return fmt.Sprintf("signers were sent back to it; %s'dkimbot rotate --domain %s' brings all to %s; "+
			"or see what is said of that record", first, h.Want.Name, h.Have.Target), true
	case to == "" || s != h.Have.Active:
		return "see what is said of that record", true
	case BetterHeld(&h.Judge, to):
		return fmt.Sprintf("the domain is on hold, so signers stay: 'dkimbot unhold --domain %s' lets them go to %s by themselves; "+
			"or see what is said of that record", h.Want.Name, to), true
	case h.Now.Before(at):
		return fmt.Sprintf("signers go to %s by themselves at %s, when resolvers know its record", to,
			at.UTC().Format(time.RFC3339)), false
	}
	return fmt.Sprintf("signers go to %s by themselves", to), false
}
