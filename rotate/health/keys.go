package health

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// Resumable reports whether the newest key in the keystore is one whose storing
// was begun by us and never confirmed: a crash or a lost answer (I7).
func (v *view) Resumable(s string) bool {
	seen, sel := v.Seen.Selectors[s], v.Have.Selector(s)
	return seen.KeyID != "" && slices.Contains(sel.Tried, seen.KeyID)
}

// LostAll reports whether the keystore holds none of the keys that it should, as far as they
// could be read. Then it is likely to be another one: what would be made there is missing in
// the right one, and what would be destroyed is not (I4, I5).
func (v *view) LostAll() bool {
	lost := 0
	for _, s := range v.Want.Policy.Selectors {
		switch key, kept := v.Have.Selector(s).Wanted(), v.Keeping(s); {
		case key == nil || key.Gone || key.Doomed: // it says nothing when it is missing
		case kept == keyUnread: // nor does this
		case kept != KeyGone:
			return false
		default:
			lost++
		}
	}
	return lost > 0
}

// FreshLost reports whether the fresh key that is to take the place of the one at s is not in the keystore, while the
// other selector's key shows that this is the right one. No signer has used it, and none can: another one is made. It
// is also so when that one is stored already, and a crash came before its confirmation (I7).
func FreshLost(j *Judge, s string) bool {
	if j.Have.Phase != rotate.Replacing || j.Have.Draining != s || j.Have.Selector(s).Next == nil {
		return false
	}
	other := j.Want.Policy.Other(s)
	key := j.Have.Selector(other).Key
	return j.Resumable(s) || j.Keeping(s) == KeyGone && key != nil && !key.Gone && j.Keeping(other) == keyKept
}

// LostKeystore refuses to make or destroy keys in a keystore that has lost what it should hold.
func (v *view) LostKeystore(s string) error {
	for _, other := range v.Want.Policy.Selectors {
		if err := v.Seen.Selectors[other].KeyErr; v.Keeping(other) == keyUnread {
			return &fault.Error{Kind: fault.Transient, Code: cmp.Or(fault.CodeOf(err), codes.KeyMissing), Err: err,
				What: fmt.Sprintf("make or destroy a key of %s: a key of %s is missing from the keystore, "+
					"which did not answer whether it holds the key of %s", v.Name(s), v.Want.Name, v.Name(other)),
				Hint: "make the keystore answer, and check that the configuration names the right one; " +
					"dkimbot makes and destroys no key until it can read one of them"}
		}
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.KeyMissing,
		What: fmt.Sprintf("make or destroy a key of %s: the keystore holds none of the keys that dkimbot stored for %s",
			v.Name(s), v.Want.Name),
		Hint: "check that the configuration names the right keystore, or restore the keystore from a backup; " +
			"dkimbot makes and destroys no key of the domain until then" + beginAgain(v.Want.Name)}
}

// beginAgain names the way out where private keys are lost for good: other selectors, at which keys are made.
func beginAgain(domain string) string {
	return ". If those keys are lost for good, name two other selectors in the domain's policy, and run: " +
		"'dkimbot rotate --domain " + domain + " --change-selectors'"
}

// keeping is how what the keystore holds for a selector relates to what state knows.
type keeping int

const (
	keyKept      keeping = iota // it holds the key that it should, or rightly none
	KeyGone                     // it does not hold the key any more
	KeyDifferent                // the newest key is none of ours
	keyUnread                   // it could not be asked, or what it holds can't be read
)

// Keeping compares what the keystore shows with the keys that are ours.
func (v *view) Keeping(s string) keeping {
	seen, sel := v.Seen.Selectors[s], v.Have.Selector(s)
	key := sel.Wanted()
	switch {
	case fault.CodeOf(seen.KeyErr) == codes.ForeignSecret:
		return KeyDifferent
	case seen.KeyErr != nil:
		return keyUnread
	case key != nil && key.Gone && seen.KeyID == "": // destroyed, because it was compromised
		return keyKept
	case v.Resumable(s), key == nil && seen.KeyID == "", key != nil && key.ID == seen.KeyID:
		return keyKept
	case key != nil && sel.Dropped(seen.KeyID) && (seen.Kept || seen.OldKept || key.Gone):
		return keyKept
	case sel.Dropped(seen.KeyID) && key == nil: // it goes when no signer uses it, and nothing is to be there
		return keyKept
	case sel.Dropped(seen.KeyID):
		return KeyGone
	case seen.KeyID == "" && seen.Kept:
		return keyKept
	case seen.KeyID == "", sel.Key != nil && sel.Key.ID == seen.KeyID, follow.OnlyReplaced(v.Have, v.Seen, s):
		return KeyGone
	}
	return KeyDifferent
}

// ForeignKey refuses what somebody else put in the place of our private key.
func (v *view) ForeignKey(s string) error { return finding.WithThing(keyAt(s), v.strangeKey(s)) }

func (v *view) strangeKey(s string) error {
	seen := v.Seen.Selectors[s]
	if seen.KeyErr != nil {
		return seen.KeyErr
	}
	if v.Stale(s) {
		return v.StaleState(s)
	}
	if v.Have.Selector(s).ReplacedBefore(seen.KeyID) {
		return fault.Refuse(codes.OldKeystore,
			fmt.Sprintf("the newest key for %s in the keystore (version %d, %s) is one that was replaced there", v.Name(s),
				seen.Version, dkim.ShortID(seen.KeyID)), v.NewerKeystore())
	}
	hint := "find out who wrote it. If the state is an older copy, restore the state database that belongs to this " +
		"keystore, or " + follow.Believe(v.Want.Name) + ". Destroy that version only when no signer uses it"
	if key := v.Have.Selector(s).Wanted(); key != nil && seen.Kept {
		hint = fmt.Sprintf("find out who wrote it, and destroy that version; dkimbot's own is version %[1]d and still there. "+
			"Where a signer reads the newest version in Vault itself, as KumoMTA can, bring that one back first: "+
			"vault kv rollback -version=%[1]d", key.Version)
	}
	return fault.Refuse(codes.ForeignSecret,
		fmt.Sprintf("the newest key for %s in the keystore (version %d, %s) is not the one that dkimbot stored", v.Name(s),
			seen.Version, dkim.ShortID(seen.KeyID)), hint)
}

// Renewable reports whether the standby's private key is lost and a fresh one may
// take its place, when quiet says so. The other one must be there, or else this is the wrong
// keystore; and every signer must say that it signs with that one. Of signers that were
// taken out of the configuration people are warned, and the drain is waited for.
func (j *Judge) Renewable(s string) bool { return j.Keeping(s) == KeyGone && j.Idle(s) }

// Idle reports whether the selector is the standby, and every signer says that it signs with the other one, whose
// private key is there, or with nothing, because it takes no key of that kind.
func (j *Judge) Idle(s string) bool {
	key := j.Have.Selector(j.Have.Active).Key
	kept := key != nil && j.Have.Phase == rotate.Ready && s != j.Have.Active && j.Keeping(j.Have.Active) == keyKept
	return kept && !slices.ContainsFunc(j.Want.Signers, func(signer string) bool {
		return j.Seen.Signers[signer].Err != nil ||
			!key.GivenUp() && !waitsForKind(j, signer) && !j.Confirmed(signer, j.Have.Active, key.ID)
	})
}
