package foresight

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
)

// Unbroken returns the steps that don't need those that have failed; none where only looks are left of them. Those in
// relied were published to some DNS accounts only, and seen there: what needs them is done all the same.
func Unbroken(steps, broken, relied []rotate.Step) []rotate.Step {
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
		looks := s.Kind == rotate.Publish || s.Kind == rotate.Verify // neither can do more in this run
		if looks && slices.ContainsFunc(relied, func(b rotate.Step) bool { return b.Selector == s.Selector }) {
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
