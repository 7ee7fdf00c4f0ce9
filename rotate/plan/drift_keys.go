package plan

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// keeping is how what the keystore holds for a selector relates to what state knows.
type keeping int

const (
	keyKept      keeping = iota // it holds the key that it should, or rightly none
	keyGone                     // it does not hold the key any more
	keyDifferent                // the newest key is none of ours
	keyUnread                   // it could not be asked, or what it holds can't be read
)

// keeping compares what the keystore shows with the keys that are ours.
func (v *view) keeping(s string) keeping {
	seen, sel := v.seen.Selectors[s], v.have.Selector(s)
	key := sel.Wanted()
	switch {
	case seen.KeyErr != nil && fault.CodeOf(seen.KeyErr) == codes.ForeignSecret:
		return keyDifferent
	case seen.KeyErr != nil:
		return keyUnread
	case key != nil && key.Gone && seen.KeyID == "": // destroyed, because it had leaked
		return keyKept
	case v.resumable(s), key == nil && seen.KeyID == "", key != nil && key.ID == seen.KeyID:
		return keyKept
	case key != nil && sel.Dropped(seen.KeyID) && (seen.Kept || seen.OldKept || key.Gone):
		return keyKept
	case sel.Dropped(seen.KeyID) && key == nil: // it goes when nobody uses it, and nothing is to be there
		return keyKept
	case sel.Dropped(seen.KeyID):
		return keyGone
	case seen.KeyID == "" && seen.Kept:
		return keyKept
	case seen.KeyID == "", key == sel.Next && sel.Key != nil && sel.Key.ID == seen.KeyID:
		return keyGone
	}
	return keyDifferent
}

// unread stops what would bring signers to a selector of which the keystore can't be
// asked what its newest key is: if that is another one, the state is an old one, and the
// record that DNS shows still is about to go (I2).
func (d *draft) unread(selectors ...string) bool {
	for _, s := range selectors {
		if err := d.seen.Selectors[s].KeyErr; err != nil {
			d.stop(err)
			return true
		}
	}
	return false
}

// keyDrift tells how what the keystore holds differs from what it should hold.
func (h *health) keyDrift(s string) *rotate.Finding {
	seen := h.seen.Selectors[s]
	switch h.keeping(s) {
	case keyGone:
		f := h.lostKey(s)
		f.Code, f.Selector = codes.KeyMissing, s
		f.Message = fmt.Sprintf("the private key for %s is gone from the keystore%s", h.name(s), f.Message)
		return &f
	case keyDifferent:
		err := h.foreignKey(s)
		return &rotate.Finding{Code: codes.KeyDifferent, Selector: s, Message: fault.Text(err),
			Repair: fault.HintOf(err), Asks: true, Cause: cause(err)}
	case keyUnread:
		f := troubled(codes.KeyUnread, s, "", seen.KeyErr,
			"the keystore is asked again; until it answers, no key is made or given to a signer")
		if fault.CodeOf(seen.KeyErr) == codes.DeletedSecret {
			f.Code = codes.KeyMissing
		}
		return f
	}
	return nil
}

// lostKey says what it means that a private key is gone, and what can be done.
func (h *health) lostKey(s string) rotate.Finding {
	other := h.want.Policy.Other(s)
	switch {
	case h.keeping(other) == keyGone:
		return rotate.Finding{Message: ", and so is the other one", Asks: true,
			Repair: "see whether the configuration names the right keystore, and restore it from a backup; " +
				"dkimbot makes no new key while both are gone"}
	case s == h.have.Target:
		return rotate.Finding{Message: ", and signers are being switched to it", Asks: true,
			Repair: "restore it from a backup of the keystore" + h.orGoBack(other)}
	case s == h.have.Active && h.refuge() != "":
		return rotate.Finding{Message: "; it is compromised, and signers leave it for " + other,
			Repair: "a fresh key takes its place by itself"}
	case s == h.have.Active:
		return rotate.Finding{Message: "; the signers go on with their copies, but none can be given it again", Asks: true,
			Repair: "restore it from a backup of the keystore" + h.orGoBack(other)}
	case s == h.have.Draining && h.have.Selector(s).Next == nil:
		return rotate.Finding{Message: "; nothing needs it any more but a way back",
			Repair: "it is replaced by itself when the drain is over"}
	case h.renewable(s):
		return rotate.Finding{Message: "; no signer uses it",
			Repair: "a fresh key takes its place by itself as soon as no mail in flight can need the old one"}
	}
	return rotate.Finding{Asks: true,
		Repair: "restore it from a backup of the keystore; no signer can be switched to it before"}
}

// orGoBack says how signers come to the selector other by a person's word, "" where they can't.
func (h *health) orGoBack(other string) string {
	switch {
	case h.have.Leaked(other) || h.have.Leaked(h.have.Active):
		return ""
	case h.have.Phase == rotate.Ready:
		return fmt.Sprintf(", or switch to %s: 'dkimbot rotate --domain %s'", other, h.want.Name)
	case h.have.Phase == rotate.Switching, h.have.Phase == rotate.Draining:
		return ", or go back: 'dkimbot rollback --domain " + h.want.Name + "'"
	}
	return ""
}

// foreignKey refuses what somebody else put in the place of our private key.
func (v *view) foreignKey(s string) error { return rotate.Tell(keyAt(s), v.strangeKey(s)) }

func (v *view) strangeKey(s string) error {
	seen := v.seen.Selectors[s]
	if seen.KeyErr != nil {
		return seen.KeyErr
	}
	if v.stale(s) {
		return v.staleState(s)
	}
	if v.have.Selector(s).ReplacedBefore(seen.KeyID) {
		return fault.Refuse(codes.OldKeystore,
			fmt.Sprintf("the newest key for %s in the keystore (version %d, %s) is one that was replaced there", v.name(s),
				seen.Version, rotate.ShortID(seen.KeyID)), v.newerKeystore())
	}
	hint := "find out who wrote it; destroy that version, or restore the state database that belongs to this keystore; " +
		"or, where the state is an older copy, " + believe(v.want.Name)
	if key := v.have.Selector(s).Wanted(); key != nil && seen.Kept {
		hint = fmt.Sprintf("find out who wrote it, and destroy that version; "+
			"dkimbot's own is version %d and still there", key.Version)
	}
	return fault.Refuse(codes.ForeignSecret,
		fmt.Sprintf("the newest key for %s in the keystore (version %d, %s) is not the one that dkimbot stored", v.name(s),
			seen.Version, rotate.ShortID(seen.KeyID)), hint)
}

// renewable reports whether the standby's private key is lost and a fresh one may
// take its place, when quiet says so. The other one must be there, or else this is the wrong
// keystore; and every signer must say that it signs with that one. Of signers that were
// taken out of the configuration people are warned, and the drain is waited for.
func (j *Judge) renewable(s string) bool {
	if j.have.Phase != rotate.Ready || s == j.have.Active || j.keeping(s) != keyGone ||
		j.keeping(j.have.Active) != keyKept {
		return false
	}
	key := j.have.Selector(j.have.Active).Key
	if key == nil {
		return false
	}
	for _, signer := range j.want.Signers {
		if j.seen.Signers[signer].Err != nil || !key.GivenUp() && !j.confirmed(signer, j.have.Active, key.ID) {
			return false
		}
	}
	return true
}

// quiet returns from when on no mail in flight needs the standby's key: the drain
// after the last signer was brought to the active one, or back to it, or was taken out
// of the configuration (I2, I10).
func (j *Judge) quiet() time.Time {
	last := j.have.SwitchedAt
	for _, c := range j.have.Signers {
		if c.At.After(last) {
			last = c.At
		}
	}
	return last.Add(j.want.Policy.Drain)
}
