package health

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// A signer that was taken off the domain's list is asked as long as the configuration has it: a key that it signs with
// is not replaced. It is given no other key, not even when its own is compromised: who took it off may not trust its
// host.

// dismissed is a view of a domain with what its signers say that are no longer listed.
type dismissed struct{ *view }

// HeldByDismissed says that what cannot be undone is not done to the key at s, as long as signers that are no longer
// listed may sign with it. A compromised key is not kept for them, nor one in whose place signers are to flee.
func (j *Judge) HeldByDismissed(what, s, keyID string) error {
	v, key := dismissed{&j.view}, j.Have.Selector(s).Key
	if key == nil || key.ID != keyID || key.GivenUp() || j.Have.Leaked(s) || j.Flight(s) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(j.Seen.Dismissed)) {
		seen := j.Seen.Dismissed[name]
		what := fmt.Sprintf("%s of %s: signer %s is no longer listed%s", what, j.Name(s), name, v.since(name))
		f := &fault.Error{Kind: fault.Transient, Code: codes.SignerLeftOver, What: what,
			Err:  fmt.Errorf("it still signs with %s, and its mail would fail", s),
			Hint: v.waysOut(name) + "; nothing was changed"}
		switch doubt := cmp.Or(seen.Err, seen.Unheard); {
		case v.signsAs(name, s, keyID):
		case doubt != nil && j.Have.Signers[name].KeyID == keyID:
			f = &fault.Error{Kind: fault.Transient, Code: codes.SignerLeftOver, Err: doubt,
				What: what + ", and did not answer whether it still signs with " + s,
				Hint: v.findOut(name) + "; nothing was changed"}
		default:
			continue
		}
		return finding.WithThing(finding.Thing{Kind: finding.TheSigner, Signer: name}, f)
	}
	return nil
}

// signsAs reports whether a signer that is no longer listed says that it signs with the key at s.
func (v dismissed) signsAs(name, s, keyID string) bool {
	seen := v.Seen.Dismissed[name]
	return seen.Err == nil && slices.ContainsFunc(seen.Refs(), func(ref dkim.Ref) bool {
		return ref.Selector == s && v.Have.Identify(ref).KeyID == keyID
	})
}

// since says when a signer was taken off the list, where that is known.
func (v dismissed) since(name string) string {
	if c := v.Have.Signers[name]; c.Left {
		return " (since " + calendar.Utc(c.At) + ")"
	}
	return ""
}

// waysOut says how a person ends that a signer which is no longer listed signs.
func (v dismissed) waysOut(name string) string {
	return fmt.Sprintf("list %s at %s again, or take %[2]s out of its tables, also where dkimbot wrote the lines; "+
		"where it is gone for good, take it out of 'signers:', too", name, v.Want.Name)
}

// findOut says the same of one that does not answer.
func (v dismissed) findOut(name string) string {
	return fmt.Sprintf("make it answer, or list %s at %s again; where it is gone for good, take it out of 'signers:', too",
		name, v.Want.Name)
}

// failing says whose mail fails when the key at s is revoked, of signers that are no longer listed.
func (v dismissed) failing(s, from string) string {
	key := v.Have.Selector(s).Key
	if key == nil {
		return ""
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(v.Seen.Dismissed)),
		func(name string) bool { return !v.signsAs(name, s, key.ID) })
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; signer %s is no longer listed, still signs with it and is given no other key: "+
		"all its mail fails from %s on", strings.Join(names, ", "), from)
}

// DrainedAt returns when mail that was signed with a draining selector has arrived: the drain after the last signer's
// switch, and after one that is no longer listed ceased to sign with it (I2).
func DrainedAt(j *Judge, s string) time.Time {
	last, sel := j.Have.SwitchedAt, j.Have.Selector(s)
	for _, c := range j.Have.Signers {
		if c.Left && !c.Signs && sel.Key != nil && c.KeyID == sel.Key.ID && c.At.After(last) {
			last = c.At
		}
	}
	return last.Add(sel.DrainUnder(j.Want.Policy))
}

// LeftOver reports a signer that was taken off the domain's list and continues to sign. One that is not in the
// configuration any more can't be asked: it counts as signing with what it confirmed. If it did not answer before
// that, it is reported also when its key was replaced, until the next turn replaces the one after it.
func (h *Check) LeftOver(name string) *finding.Finding {
	if slices.Contains(h.Want.Signers, name) {
		return nil
	}
	c := h.Have.Signers[name]
	f := &finding.Finding{Code: codes.SignerLeftOver, Signer: name, Asks: true}
	seen, asked := h.Seen.Dismissed[name]
	if asked && seen.Err == nil {
		ref := seen.Known(h.Have)
		if ref.Selector == "" && seen.Unheard == nil {
			return nil
		}
		if ref.Selector != "" {
			f.Repair = dismissed{&h.view}.waysOut(name)
			f.Message = fmt.Sprintf("signer %s is no longer listed at %s and still signs its mail with %s (key %s); "+
				"that mail %s", name, h.Want.Name, ref.Selector, dkim.ShortID(ref.KeyID), h.fateOf(ref))
			return f
		}
	}
	sel := h.Have.Selector(c.Selector)
	f.Repair = "make sure that it does not sign any more, or list it again"
	then := "fails once that key is replaced"
	switch last := len(sel.Past) - 1; {
	case h.inUse(c) && sel.Key.GivenUp():
		then = "fails, because that key was revoked"
	case h.inUse(c) && asked:
		f.Repair = dismissed{&h.view}.findOut(name)
		then = "verifies, because that key is not replaced before it says that it does not sign with it: " +
			fault.Text(cmp.Or(seen.Err, seen.Unheard, errors.New("it does not answer")))
	case h.inUse(c): // nothing fails yet, and whoever took it out mostly has stopped it
		f.Asks = false
	case c.Silent && last >= 0 && sel.Past[last] == c.KeyID:
		then = "fails, because that key was replaced"
	default:
		return nil
	}
	f.Message = fmt.Sprintf("signer %s signed for %s with %s (key %s) and is no longer listed; mail that it still "+
		"signs %s", name, h.Want.Name, c.Selector, dkim.ShortID(c.KeyID), then)
	return f
}

// fateOf says what becomes of mail that a signer which is no longer listed signs with a key that the domain has or had.
func (h *Check) fateOf(ref dkim.Ref) string {
	switch key := h.Have.Selector(ref.Selector).Key; {
	case key == nil || key.ID != ref.KeyID:
		return "fails, because that key was replaced"
	case key.GivenUp():
		return "fails, because that key was revoked"
	case !key.Leaked.IsZero():
		return "fails when that key, which is compromised, is revoked: nothing waits for this signer"
	}
	return "verifies, because that key is not replaced as long as it does"
}
