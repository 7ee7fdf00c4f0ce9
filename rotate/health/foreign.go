package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// HandsOff reports whether something that is not ours stands at the selector's name,
// so that nothing may be written there, nor signed with what should stand there (I6).
func (v *view) HandsOff(s string) bool {
	return v.Standing(s) == Foreign && !v.Adopting(s) || v.Shared || v.Taken(s) != nil || v.Misled(s) != nil
}

// Bound reports whether nothing may be revoked at a selector's name: something that is not ours stands there, and no
// server shows a record of ours whose key is compromised. Where one does, that alone is changed (I6).
func (v *view) Bound(s string) bool {
	sel := rotate.SelectorAt(v.Have, s)
	leaked := sel != nil && sel.Key != nil && !sel.Key.Leaked.IsZero()
	beside := leaked && v.Standing(s) == Foreign && !v.Shared && !v.Stale(s)
	return v.HandsOff(s) && !(beside && shown.Somewhere(At(v.Seen, s).Sight, *sel))
}

// Lacking reports whether a server shows no record at a selector's name where another one shows somebody else's, and
// the domain has several DNS accounts: to those that hold nothing, dkimbot's own can be published.
func Lacking(j *Judge, s string) bool {
	return len(j.Want.Also) > 0 && j.Standing(s) == Foreign && !j.Shared && !j.Stale(s) && !j.Adopting(s) &&
		shown.Nothing(At(j.Seen, s).Sight)
}

// Misled returns the error where DNS answers that the selector's name leads to no record of ours,
// and none can be published there: a CNAME in a circle or into a zone that does not exist, or
// a zone of its own. That DNS can be asked at all is known from the other selector; where
// neither is found, what was seen last counts.
func (v *view) Misled(s string) error {
	err := v.Seen.Selectors[s].SightErr
	other, looked := v.Seen.Selectors[v.Want.Policy.Other(s)]
	if fault.KindOf(err) == fault.Transient || !looked || other.SightErr != nil || other.Sight.Unchecked {
		return nil
	}
	return err
}

// Taken returns the refusal to use the selector's name, which leads to the record of another
// domain; nil when it does not.
func (v *view) Taken(s string) error {
	if err := v.Seen.Selectors[s].SightErr; fault.CodeOf(err) == codes.SharedName {
		return err
	}
	return nil
}

// Twin returns the refusal of a selector whose name shows the other one's record, because both lead to one place.
func (v *view) Twin(s string) error {
	if other := v.Want.Policy.Other(s); v.Standing(s) == Foreign && v.Standing(other) == Current {
		return shown.Twin(v.Seen, v.Name(s), v.Name(other))
	}
	return nil
}

// ForeignRecord returns the refusal for a record at a selector that dkimbot did not make.
func (j *Judge) ForeignRecord(s string, sight rotate.Sight) error {
	if j.Stale(s) {
		return finding.WithThing(RecordAt(s), j.StaleState(s))
	}
	if differs := j.otherTags(s); differs != "" {
		return finding.WithThing(RecordAt(s), useless(j, s, differs, sight))
	}
	if err := j.Twin(s); err != nil {
		return finding.WithThing(RecordAt(s), err)
	}
	what := fmt.Sprintf("%s holds a record that dkimbot did not make (%s)", j.Name(s), dkim.Brief(sight.Values))
	still := exposedAt(j, s)
	switch {
	case !sight.Complete && len(sight.Lagging) > 0:
		what = fmt.Sprintf("%s holds a record that dkimbot did not make, and not the same on every server: %s", j.Name(s),
			strings.Join(sight.Lagging, "; "))
	case len(sight.Values) > 1:
		what = fmt.Sprintf("%s holds %d records, of which dkimbot made at most one (%s)", j.Name(s), len(sight.Values),
			dkim.Brief(sight.Values))
	}
	return finding.WithThing(RecordAt(s), fault.Refuse(codes.ForeignRecord, what+still,
		j.foreignHint(s, len(sight.Values) == 1 && dkim.RevokedValue(sight.Values[0]))))
}

// foreignHint says what a person can do about a record that dkimbot did not make; revoked:
// one whose key was revoked, and nothing else.
func (j *Judge) foreignHint(s string, revoked bool) string {
	key, left := selectorOf(j.Have, s).Key, j.Have.Selectors[s] == nil && j.Have.Earlier[s] != nil
	switch fresh := !left && j.Have.Phase == rotate.Bootstrapping && (key == nil || key.PublishedAt.IsZero()); {
	case revoked && !left && (fresh || j.Have.Phase == rotate.New):
		kept := j.Seen.Selectors[s].KeyID
		return finding.RevokedByOthers(j.Name(s).String(), dkim.ShortID(kept),
			j.MayBeInHands(kept) && !j.Have.Selector(s).Dropped(kept))
	case fresh || j.Have.Phase == rotate.New && !left:
		return finding.ForeignFirst(j.Want.Name, s, fresh, key != nil)
	case revoked && !j.Have.Leaked(s):
		return "find out why the key was revoked; if somebody else may have it, say so: 'dkimbot rotate --domain " +
			j.Want.Name + " --compromised --selector " + s +
			"'. A state database that was restored from an older copy does not know of a revocation"
	}
	if name := j.signsBy(s); name != "" {
		return finding.SignedWithOthers(name, j.Want.Name)
	}
	return fmt.Sprintf("find out who changed the record, and remove it: %s never changes a record that is not its own",
		j.onceAlone(s)) + orLeave(j, s, fails(j, s))
}

// fails says what becomes of mail that is signed with a selector at which somebody else's record stands.
func fails(j *Judge, s string) string {
	if AllFails(j, s) {
		return "fails"
	}
	return "may fail"
}

// signsBy returns a signer that signs with the key of the only record at a selector, which dkimbot did not make.
func (j *Judge) signsBy(s string) string {
	values := At(j.Seen, s).Sight.Values
	if len(values) != 1 {
		return ""
	}
	id := dkim.RecordKeyID(values[0])
	for _, name := range slices.Sorted(maps.Keys(j.Seen.Signers)) {
		ref := j.Have.Identify(j.Seen.Signers[name].Ref)
		if j.Seen.Signers[name].Err == nil && id != "" && ref.Selector == s && ref.KeyID == id {
			return name
		}
	}
	return ""
}

// onceAlone says what follows when a record that is not dkimbot's is removed from a selector.
func (j *Judge) onceAlone(s string) string {
	switch key := j.Have.Selector(s).Key; {
	case !j.Have.Leaked(s) || !j.GivenUp(s) && j.Have.Selector(s).Next == nil:
		return "dkimbot then publishes its own again" + j.Again(s) + "; it"
	case !j.Bound(s): // it stands beside the other one
		return "the key that dkimbot has there is compromised, and dkimbot revokes its own record; it"
	case key.RevokedAt.IsZero() || exposedAt(j, s) != "":
		return "the key that dkimbot has there is compromised, and dkimbot revokes it when the other record is removed; it"
	default:
		return "the key that dkimbot has there is compromised and revoked, and dkimbot replaces it then; it"
	}
}

// LostState returns a selector whose key the keystore holds, of a domain that the state does not know (I12), else "".
func (v *view) LostState() string {
	for _, s := range v.Want.Policy.Selectors {
		if v.Have.Phase == rotate.New && v.Seen.Selectors[s].KeyErr == nil && v.Keeping(s) == KeyDifferent {
			return s
		}
	}
	return ""
}

// Adopting reports whether an adoption at the selector can be finished: its key is
// in the keystore, and DNS shows it, alone and on every server.
func (v *view) Adopting(s string) bool {
	i, sight := v.Have.Intent, v.Seen.Selectors[s].Sight
	return i != nil && i.Kind == rotate.Adopt && i.Selector == s && v.Have.Selector(s).Key == nil &&
		v.Seen.Selectors[s].KeyID == i.KeyID &&
		sight.Complete && len(sight.Values) == 1 && dkim.RecordKeyID(sight.Values[0]) == i.KeyID
}
