package rotate

import (
	"fmt"
	"time"

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

// The codes of the keystore's faults that tell what became of a key; see package keystore.
const (
	foreignSecret = "foreign-secret"
	deletedSecret = "deleted-secret"
)

// keeping compares what the keystore shows with the keys that are ours.
func (p *planner) keeping(s string) keeping {
	seen, sel := p.seen.Selectors[s], p.have.selector(s)
	key := sel.wanted()
	switch {
	case seen.KeyErr != nil && fault.CodeOf(seen.KeyErr) == foreignSecret:
		return keyDifferent
	case seen.KeyErr != nil:
		return keyUnread
	case key != nil && key.Gone && seen.KeyID == "": // destroyed, because it had leaked
		return keyKept
	case p.resumable(s), key == nil && seen.KeyID == "", key != nil && key.ID == seen.KeyID:
		return keyKept
	case key != nil && sel.dropped(seen.KeyID) && (seen.Kept || seen.OldKept || key.Gone):
		return keyKept
	case sel.dropped(seen.KeyID):
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
func (p *planner) unread(selectors ...string) bool {
	for _, s := range selectors {
		if err := p.seen.Selectors[s].KeyErr; err != nil {
			p.stop(err)
			return true
		}
	}
	return false
}

// keyDrift tells how what the keystore holds differs from what it should hold.
func (p *planner) keyDrift(s string) *Finding {
	seen := p.seen.Selectors[s]
	switch p.keeping(s) {
	case keyGone:
		f := p.lostKey(s)
		f.Code, f.Selector = KeyMissing, s
		f.Message = fmt.Sprintf("the private key for %s is gone from the keystore%s", p.name(s), f.Message)
		return &f
	case keyDifferent:
		err := p.foreignKey(s)
		return &Finding{Code: KeyDifferent, Selector: s, Message: fault.Text(err), Repair: fault.HintOf(err), Asks: true}
	case keyUnread:
		f := troubled(KeyUnread, s, "", seen.KeyErr, "the keystore is asked again; until it answers, no key is made or given to a signer")
		if fault.CodeOf(seen.KeyErr) == deletedSecret {
			f.Code = KeyMissing
		}
		return f
	}
	return nil
}

// lostKey says what it means that a private key is gone, and what can be done.
func (p *planner) lostKey(s string) Finding {
	other := p.want.Policy.Other(s)
	switch {
	case p.keeping(other) == keyGone:
		return Finding{Message: ", and so is the other one", Asks: true,
			Repair: "see whether the configuration names the right keystore, and restore it from a backup; dkimbot makes no new key while both are gone"}
	case s == p.have.Target:
		return Finding{Message: ", and signers are being switched to it", Asks: true, Repair: "restore it from a backup of the keystore" + p.orGoBack(other)}
	case s == p.have.Active && p.refuge() != "":
		return Finding{Message: "; it is compromised, and signers leave it for " + other, Repair: "a fresh key takes its place by itself"}
	case s == p.have.Active:
		return Finding{Message: "; the signers go on with their copies, but none can be given it again", Asks: true, Repair: "restore it from a backup of the keystore" + p.orGoBack(other)}
	case s == p.have.Draining && p.have.selector(s).Next == nil:
		return Finding{Message: "; nothing needs it any more but a way back", Repair: "it is replaced by itself when the drain is over"}
	case p.renewable(s):
		return Finding{Message: "; no signer uses it", Repair: "a fresh key takes its place by itself as soon as no mail in flight can need the old one"}
	}
	return Finding{Asks: true, Repair: "restore it from a backup of the keystore; no signer can be switched to it before"}
}

// orGoBack says how signers come to the selector other by a person's word, "" where they can't.
func (p *planner) orGoBack(other string) string {
	switch {
	case p.have.leaked(other) || p.have.leaked(p.have.Active):
		return ""
	case p.have.Phase == Ready:
		return fmt.Sprintf(", or switch to %s: dkimbot rotate --domain %s", other, p.want.Name)
	case p.have.Phase == Switching, p.have.Phase == Draining:
		return ", or go back: dkimbot rollback --domain " + p.want.Name
	}
	return ""
}

// foreignKey refuses what somebody else put in the place of our private key.
func (p *planner) foreignKey(s string) error {
	seen := p.seen.Selectors[s]
	if seen.KeyErr != nil {
		return seen.KeyErr
	}
	if p.stale(s) {
		return p.staleState(s)
	}
	if p.have.selector(s).replacedBefore(seen.KeyID) {
		return fault.Refuse("old-keystore", fmt.Sprintf("the newest key for %s in the keystore (version %d, %s) is one that was replaced there", p.name(s), seen.Version, ShortID(seen.KeyID)), p.newerKeystore())
	}
	hint := "find out who wrote it; destroy that version, or restore the state database that belongs to this keystore; or, where the state is an older copy, " + p.believe()
	if key := p.have.selector(s).wanted(); key != nil && seen.Kept {
		hint = fmt.Sprintf("find out who wrote it, and destroy that version; dkimbot's own is version %d and still there", key.Version)
	}
	return fault.Refuse(foreignSecret, fmt.Sprintf("the newest key for %s in the keystore (version %d, %s) is not the one that dkimbot stored", p.name(s), seen.Version, ShortID(seen.KeyID)), hint)
}

// renewable reports whether the standby's private key is lost and a fresh one may
// take its place, when quiet says so. The other one must be there, or else this is the wrong
// keystore; and every signer must say that it signs with that one. Of signers that were
// taken out of the configuration people are warned, and the drain is waited for.
func (p *planner) renewable(s string) bool {
	if p.have.Phase != Ready || s == p.have.Active || p.keeping(s) != keyGone || p.keeping(p.have.Active) != keyKept {
		return false
	}
	key := p.have.selector(p.have.Active).Key
	if key == nil {
		return false
	}
	for _, signer := range p.want.Signers {
		if p.seen.Signers[signer].Err != nil || !key.givenUp() && !p.confirmed(signer, p.have.Active, key.ID) {
			return false
		}
	}
	return true
}

// quiet returns from when on no mail in flight needs the standby's key: the drain
// after the last signer was brought to the active one, or back to it, or was taken out
// of the configuration (I2, I10).
func (p *planner) quiet() time.Time {
	last := p.have.SwitchedAt
	for _, c := range p.have.Signers {
		if c.At.After(last) {
			last = c.At
		}
	}
	return last.Add(p.want.Policy.Drain)
}
