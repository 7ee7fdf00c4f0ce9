package wayout

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// ServedFirst puts first what gives signers that sign with nothing the key of a selector whose record every server
// shows: their mail is not to wait until a DNS account that does not answer is given up at another selector, or until
// a record shows there (I1). In an emergency the order is that of the revocations.
func ServedFirst(j *health.Judge, steps []rotate.Step) []rotate.Step {
	if j.Have.Emergency() {
		return steps
	}
	serves := func(i int) bool {
		s := steps[i]
		behind := slices.ContainsFunc(steps[:i], func(earlier rotate.Step) bool {
			return earlier.Selector != s.Selector && earlier.Kind != rotate.Activate
		})
		return behind && s.Kind == rotate.Activate && (s.Duty == rotate.Signing || s.Duty == rotate.Joining) &&
			j.Standing(s.Selector) == health.Current && j.Unsigned(s.Signer) && !health.Late(j, s.Signer)
	}
	var first, others []rotate.Step
	for i, s := range steps {
		looks := false // for one that serves
		for k := i; s.Kind == rotate.Verify && k < len(steps); k++ {
			looks = looks || serves(k) && steps[k].Selector == s.Selector && steps[k].Duty == s.Duty
		}
		if looks || serves(i) {
			first = append(first, s)
			continue
		}
		others = append(others, s)
	}
	return append(first, others...)
}

// Awaited reports whether a signer that signs with nothing waits until a step is over, of which it needs nothing: a
// later step gives it a key.
func Awaited(j *health.Judge, step rotate.Step, later []rotate.Step) bool {
	return slices.ContainsFunc(later, func(s rotate.Step) bool {
		return s.Kind == rotate.Activate && !s.Needs(step) && j.Unsigned(s.Signer) && !health.Late(j, s.Signer)
	})
}
