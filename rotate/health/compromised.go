package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// Replaced reports whether the fresh key of the draining selector is public, or
// may be: then nothing is gained by waiting any more.
func (j *Judge) Replaced(s string) bool {
	sel := j.Have.Selector(s)
	if sel.Next == nil {
		return j.Have.Phase == rotate.Replacing && s == j.Have.Draining && sel.InPlace()
	}
	return !sel.Next.PublishedAt.IsZero() || slices.ContainsFunc(j.Seen.Selectors[s].Sight.Values,
		func(v string) bool { return dkim.Serves(v, sel.Next.Record) })
}

// Refuge returns the selector whose key signers can flee to from a compromised
// active one, "" when there is none now, or no need.
func (j *Judge) Refuge() string {
	if !j.Have.Leaked(j.Have.Active) {
		return ""
	}
	if j.Have.Phase == rotate.Switching {
		return j.Have.Target // some signers may be there; and when all are, the other one can be replaced
	}
	to := j.Haven()
	sel := j.Have.Selector(to)
	alone := slices.ContainsFunc(j.Want.Signers, func(name string) bool { return j.CanFetch(name, to) })
	if j.Have.Leaked(to) || sel.Key == nil || sel.Key.Gone || Barred(j, to) ||
		j.Seen.Selectors[to].KeyErr != nil && !alone {
		return ""
	}
	if sel.Next != nil { // the old key is a refuge as long as its record stands as before
		sight := j.Seen.Selectors[to].Sight
		stands := j.Seen.Selectors[to].SightErr == nil && (sight.Complete || sight.Silent) && len(sight.Values) == 1 &&
			dkim.Serves(sight.Values[0], sel.Key.Record)
		if !stands || !sel.Next.PublishedAt.IsZero() || !j.Seen.Selectors[to].OldKept && !alone {
			return ""
		}
		return to
	}
	if seen := j.Seen.Selectors[to]; seen.KeyID != sel.Key.ID && !seen.Kept && !alone {
		return "" // the keystore lost it, or holds another one, perhaps of ours, in its place
	}
	return to
}

// Haven returns the selector to which signers would flee from the active one, if its key is good.
func (j *Judge) Haven() string {
	switch j.Have.Phase {
	case rotate.Ready:
		return j.Want.Policy.Other(j.Have.Active)
	case rotate.Draining, rotate.Replacing:
		return j.Have.Draining
	}
	return ""
}

// fleeing reports whether signers leave a compromised key, or were sent back:
// then nothing is waited for that can be done without.
func (j *Judge) fleeing() bool {
	return j.Refuge() != "" || j.Have.Phase == rotate.Switching && len(j.Have.Held) > 0
}

// Hurried reports whether the domain is to be made safe also when DNS can't be asked.
func (j *Judge) Hurried() bool {
	return j.fleeing() || j.Have.Leaked(j.Have.Draining)
}

// Leaving reports whether a selector is one that signers leave for good reason:
// what stands there keeps no signer from going.
func (j *Judge) Leaving(s string) bool {
	return j.fleeing() && (j.Have.Leaked(s) || j.Have.HeldAll(j.Want.Signers) && s == j.Have.Target)
}

// Flight reports whether signers are to leave a compromised key for the selector's: then
// servers that do not answer are not waited for.
func (j *Judge) Flight(s string) bool {
	switch j.Have.Phase {
	case rotate.Bootstrapping, rotate.Switching:
		return s == j.Have.Target && j.Have.Leaked(j.Want.Policy.Other(s))
	}
	return s == j.Haven() && j.Have.Leaked(j.Have.Active)
}

// mayBeUsed reports whether a signer may sign with the selector's key: by what it confirmed, or by what it says now.
// Where both keys are compromised none is brought to the other one to confirm it: what it says is all that is known.
func (v *view) mayBeUsed(s string) bool {
	both := v.Have.Leaked(v.Want.Policy.Other(s))
	return !both && v.Have.Relied(s) || slices.ContainsFunc(v.Want.Signers, func(name string) bool {
		seen := v.Seen.Signers[name]
		return seen.Err != nil || seen.At(s) || v.Seen.Probed[name] && v.Have.Relied(s)
	})
}

// MayRevoke reports whether a record may be revoked: at once where that was ordered, and where the domain was
// released; else when no signer needs it, or at least one has left it, so that there is mail that verifies (I2). A
// signer that is new has left nothing, and one whose mail is looked at has left when mail proved it, whatever it
// says. One that a move had brought to a selector which is given up again has left it, too.
func (j *Judge) MayRevoke(selector string) bool {
	sel := rotate.SelectorAt(j.Have, selector)
	if j.Have.Released != nil || sel != nil && sel.Key != nil && sel.Key.RevokeNow {
		return true
	}
	if sel != nil && j.Have.Selectors[selector] == nil { // one that the domain had earlier
		return !j.leftInUse(selector) || j.anySafe()
	}
	if selector != j.Have.Active && (j.Have.Phase != rotate.Bootstrapping || !j.mayBeUsed(selector)) {
		return !follow.AllSign(j.Seen, j.Want.Signers, selector) || j.LostForGood(selector)
	}
	for _, name := range j.Want.Signers {
		c, known := j.Have.Signers[name]
		left := known && c.Selector != selector && !c.Unsure
		says := known && j.Have.Phase == rotate.Switching && !j.Seen.Probed[name] && j.onOther(name, selector)
		if left && !onRevoked(&j.view, c) || says || follow.SafeBefore(j.Have, j.Seen, name) {
			return true
		}
	}
	return NoneSigns(j, selector)
}

// NoneSigns reports whether every signer says that it does not sign with a selector, and none can be given its key
// again, which the keystore does not hold; or that all its mail fails by whichever key: a revocation lets no mail fail.
// Of one whose mail is looked at mail would have to say so.
func NoneSigns(j *Judge, selector string) bool {
	at, key := j.Seen.Selectors[selector], j.Have.Selector(selector).Key
	if key == nil || at.KeyErr != nil || at.KeyID == key.ID || at.Kept {
		return key != nil && shown.AllUnfit(j.Seen, j.Want.Signers)
	}
	return len(j.Want.Signers) > 0 && !slices.ContainsFunc(j.Want.Signers, func(name string) bool {
		seen, looked := j.Seen.Signers[name]
		return !looked || seen.Err != nil || seen.Unheard != nil || j.Seen.Probed[name] || seen.At(selector) ||
			j.CanFetch(name, selector)
	})
}

// anySafe reports whether a signer has surely come to a key of the domain's two selectors that is not compromised.
func (j *Judge) anySafe() bool {
	return slices.ContainsFunc(j.Want.Signers, func(name string) bool {
		c := j.Have.Signers[name]
		return j.inUse(c) && j.Confirmed(name, c.Selector, c.KeyID) && !j.Have.Leaked(c.Selector)
	})
}

// onRevoked reports whether what a signer confirmed is a key that was revoked: it has left none
// for that, since its mail fails.
func onRevoked(v *view, c rotate.Confirmed) bool {
	sel := v.Have.Selector(c.Selector)
	if v.inUse(c) {
		return sel.Key.GivenUp()
	}
	return slices.ContainsFunc(sel.Retired, func(r rotate.Retired) bool { return r.Leaked && r.KeyID == c.KeyID })
}

// onOther reports whether a signer says that it signs with the other selector's key, and mail
// signed with that verifies.
func (v *view) onOther(signer, selector string) bool {
	other := v.Want.Policy.Other(selector)
	key, seen := v.Have.Selector(other).Key, v.Seen.Signers[signer]
	ref := v.Have.Identify(seen.Ref)
	return seen.Err == nil && key != nil && ref.Selector == other && ref.KeyID == key.ID && !key.GivenUp() &&
		!seen.At(selector) && v.Standing(other) == Current
}

// RevokeReason says what a revocation means; from is when.
func (j *Judge) RevokeReason(s, from string) rotate.Reason {
	if j.Have.Released != nil {
		return rotate.Reason{Code: codes.Purge, Message: "the domain was released, and no mail in flight needs the record"}
	}
	return rotate.Reason{Code: codes.Revoked, Message: "mail in flight signed with it fails from " + from + " on; " +
		j.accepted(s, j.Now) + dismissed{&j.view}.failing(s, from)}
}

// accepted says until when receivers may still accept a key that is revoked at at.
func (j *Judge) accepted(s string, at time.Time) string {
	caches := max(At(j.Seen, s).Sight.TTL, j.Want.Policy.TTL)
	return fmt.Sprintf("receivers may accept the compromised key until %s from their resolvers' caches, "+
		"and those that keep keys until %s", calendar.Until(at.Add(caches)), calendar.Until(at.Add(rotate.MostKept)))
}

// GivenUp reports whether a compromised key's record is not worth a repair. While signers
// sign with the key and nothing better is ready, it is, unless its revocation was ordered.
func (j *Judge) GivenUp(s string) bool {
	if !j.Have.Leaked(s) {
		return false
	}
	return j.LostForGood(s) || s != j.Have.Active && s != j.Have.Target || s == j.Have.Active && j.Refuge() != ""
}

// LostForGood reports whether nothing is gained by signing with a selector's key: it is
// compromised and was revoked, is to be, or somebody has emptied its record by hand.
func (j *Judge) LostForGood(s string) bool {
	key := j.Have.Selector(s).Key
	return key.GivenUp() || key.RevokeNow || j.emptied(s)
}

// emptied reports whether DNS shows nothing of a compromised key's record but that it was revoked.
func (j *Judge) emptied(s string) bool {
	seen := j.Seen.Selectors[s]
	return j.Have.Leaked(s) && seen.SightErr == nil && len(seen.Sight.Values) > 0 &&
		!slices.ContainsFunc(seen.Sight.Values, func(v string) bool { return !dkim.RevokedValue(v) })
}
