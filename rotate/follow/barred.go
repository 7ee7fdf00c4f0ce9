package follow

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Barred returns what refuses steps that take a good key away, where it is not sure that the configuration is the one
// that mail needs. What is in use is repaired, and keys are revoked, all the same.
func Barred(st rotate.State, want rotate.Domain, now time.Time) func(rotate.Step) error {
	err := unsure(st, want, now)
	return func(s rotate.Step) error {
		if harmless(st, s) {
			return nil
		}
		return err
	}
}

// unsure returns why it is not sure that the configuration is the one that mail needs; nil where it is.
func unsure(st rotate.State, want rotate.Domain, now time.Time) error {
	if st.Released != nil || st.Active == "" || !anyGood(st) {
		return nil // there is nothing to lose
	}
	if Outdated(st, want, now) {
		return fault.Refuse(codes.OldConfiguration,
			fmt.Sprintf("begin a rotation of %s, or replace a key: the configuration of this process was read at %s, and another "+
				"process has worked for %[1]s since, by one that was read at %[3]s, with %[4]s", want.Name, clock(want.ReadAt),
				clock(st.Read.At), st.Read.With),
			"let the daemon read its configuration again: 'systemctl reload dkimbot'; or run the command again")
	}
	if f := Exchanged(st, want); f != nil {
		return finding.WithThing(f.Thing(),
			fault.Refuse(codes.AccountsSwapped,
				"begin a rotation of "+want.Name+", or replace a key: "+f.Message, st.Exchanged.Hint(want.Through())))
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func anyGood(st rotate.State) bool {
	for s, sel := range st.Selectors {
		if sel.Key != nil && sel.Key.RevokedAt.IsZero() && !st.Leaked(s) {
			return true
		}
	}
	return false
}

// harmless reports whether a step leaves every good key where it is: it begins no rotation, makes no key and destroys
// none; or it has a fresh key take the place of a compromised one, which may be the only key that signers can be given.
func harmless(st rotate.State, s rotate.Step) bool {
	if st.Leaked(s.Selector) && s.Kind != rotate.Destroy {
		return true
	}
	switch s.Kind {
	case rotate.Generate, rotate.StoreKey, rotate.Destroy:
		return false
	case rotate.Publish:
		next := st.Selector(s.Selector).Next
		return !s.To.Fresh && (next == nil || next.ID != s.To.KeyID)
	case rotate.Verify, rotate.Activate: // a look just before the first signer switches is for nothing, too
		return st.Phase != rotate.Ready || s.Duty != rotate.Turn || s.Selector == st.Active || st.Leaked(st.Active)
	}
	return true
}
