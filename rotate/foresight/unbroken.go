package foresight

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
)

// Unbroken returns the steps that don't need those that have failed; none where only looks
// are left of them.
func Unbroken(steps, broken []rotate.Step) []rotate.Step {
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
