package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/quota"
)

// While a compromised key is in use, a failure stops only the steps that need what failed. If one
// signer does not answer, the others still leave the key now, and its record is still revoked now.

// goesOn reports whether the run continues after a failure.
func (r *run) goesOn(ctx context.Context, err error) bool {
	held := (*quota.HeldBack)(nil)
	return r.st.Emergency() && ctx.Err() == nil && r.lease.Holds() == nil && !errors.As(err, &held)
}

// unbroken returns the steps that don't need those that have failed. It returns none when only
// lookups are left.
func unbroken(steps, broken []rotate.Step) []rotate.Step {
	var out []rotate.Step
	back := slices.Clone(broken)
	for _, s := range steps {
		again := func(b rotate.Step) bool {
			return b.Kind == s.Kind && b.Selector == s.Selector && b.Signer == s.Signer && b.From.KeyID == s.From.KeyID
		}
		if slices.ContainsFunc(broken, again) || slices.ContainsFunc(back, s.Needs) {
			back = append(back, s)
			continue
		}
		out = append(out, s)
	}
	changes := func(s rotate.Step) bool { return s.Kind != rotate.Verify && s.Kind != rotate.Generate }
	if !slices.ContainsFunc(out, changes) {
		return nil
	}
	return out
}
