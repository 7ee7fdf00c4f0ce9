package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/quota"
)

// While a compromised key is in use, what fails keeps nothing back that can be done without
// it: a signer that does not answer is no reason to leave the others on the key, nor its record
// in DNS, until the next try.

// goesOn reports whether the run continues after a failure.
func (r *run) goesOn(ctx context.Context, err error) bool {
	held := (*quota.HeldBack)(nil)
	return r.st.Emergency() && ctx.Err() == nil && r.lease.Holds() == nil && !errors.As(err, &held)
}

// unbroken returns the steps that don't need those that have failed; none where only looks
// are left of them.
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
