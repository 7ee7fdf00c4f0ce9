package health

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// Stale reports whether the state is older than what stands at a selector: DNS shows
// the newest key of the keystore, and the state does not know it. No other program
// puts a key into both.
func (v *view) Stale(s string) bool {
	old, found := v.olds[s]
	if !found {
		old = v.outrun(s)
		if v.olds == nil {
			v.olds = map[string]bool{}
		}
		v.olds[s] = old
	}
	return old
}

func (v *view) outrun(s string) bool {
	seen := v.Seen.Selectors[s]
	if v.Have.Phase == rotate.New || seen.KeyErr != nil || seen.SightErr != nil || v.Keeping(s) != KeyDifferent {
		return false
	}
	return slices.ContainsFunc(seen.Sight.Values, func(v string) bool { return dkim.RecordKeyID(v) == seen.KeyID })
}

// StaleState refuses to act by a state that is older than what is there.
func (v *view) StaleState(s string) error {
	return fault.Refuse(codes.StaleState,
		fmt.Sprintf("the state of %s is older than DNS and the keystore: "+
			"both hold key %s for %s, and the state does not know it",
			v.Want.Name, dkim.ShortID(v.Seen.Selectors[s].KeyID), v.Name(s)),
		follow.NewerState+"; or "+follow.Believe(v.Want.Name))
}

// Superseded reports whether the keystore holds a key that the state does not know, and not
// the selector's own, which no signer says that it uses either. Then the state may be an older copy,
// with what signers confirmed to it, and the record of its key have been replaced or revoked since:
// it is not published again (I4, I5).
func (v *view) Superseded(s string) bool {
	seen, sel := v.Seen.Selectors[s], v.Have.Selector(s)
	switch {
	case sel.Key == nil || saidToUse(v, sel.Key.ID):
		return false
	case seen.KeyErr != nil:
		return v.differed(s, codes.OldKeystore)
	}
	return v.Keeping(s) == KeyDifferent && !seen.Kept && !sel.ReplacedBefore(seen.KeyID)
}

// differed reports whether the keystore does not say what it holds for a selector, and held
// another key than dkimbot's at the last health check; not where that was for the cause except.
func (v *view) differed(s string, except codes.Code) bool {
	err := v.Seen.Selectors[s].KeyErr
	return err != nil && fault.CodeOf(err) != codes.ForeignSecret &&
		slices.ContainsFunc(v.Have.Drift, func(f finding.Finding) bool {
			return f.Selector == s && f.Code == codes.KeyDifferent && (except == "" || f.Cause != except)
		})
}

// WrongKeystore says why no private key is destroyed now: the keystore has lost all that it
// should hold, or is an older copy, or may be. What is destroyed there stays in the right one (I5).
func (v *view) WrongKeystore(s string) error {
	if v.LostAll() {
		return v.LostKeystore(s)
	}
	for _, s := range v.Want.Policy.Selectors {
		if v.differed(s, "") || v.Keeping(s) == KeyDifferent && v.Have.Selector(s).ReplacedBefore(v.Seen.Selectors[s].KeyID) {
			return v.ForeignKey(s)
		}
	}
	return nil
}

// NewerKeystore is the hint where the keystore is older than the state.
func (v *view) NewerKeystore() string {
	return "the keystore is an older copy: restore a newer copy, as new as the state, or correct keystore.path if that is " +
		"wrong; until then, 'dkimbot status --domain " + v.Want.Name + "' shows what dkimbot still does" + beginAgain(v.Want.Name)
}
