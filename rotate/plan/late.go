package plan

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// revocationsFirst has a compromised key revoked before the signers that are late are switched: what hangs there is no
// reason to leave the key to whoever has it. All others are switched first, since the mail of one that is not yet fails
// from the revocation on; where all are late, one of them is, so that there is mail that verifies (I2).
func revocationsFirst(j *health.Judge, steps []rotate.Step) []rotate.Step {
	for i, s := range steps {
		if s.Kind != rotate.Revoke || s.Duty != rotate.Revocation {
			continue
		}
		if at := place(j, steps[:i], s); at < i {
			steps = slices.Insert(slices.Delete(slices.Clone(steps), i, i+1), at, s)
		}
	}
	return steps
}

// place returns where among the steps that were planned before it a revocation comes.
func place(j *health.Judge, before []rotate.Step, revocation rotate.Step) int {
	at, left := len(before), j.MayRevoke(revocation.Selector)
	for i, s := range slices.Backward(before) {
		if s.Kind != rotate.Activate {
			continue
		}
		if !health.Late(j, s.Signer) || s.NotBefore.Before(revocation.NotBefore) {
			break
		}
		at = i
	}
	first := slices.IndexFunc(before, func(s rotate.Step) bool { return s.Kind == rotate.Activate })
	if first == at && !left {
		return first + 1
	}
	return at
}

// LeavesLater reports whether the first of the steps is a revocation that may not come yet, since all signers before it
// failed, and has it follow the next signer, which may be the first to leave the key (I2).
func LeavesLater(j *health.Judge, steps []rotate.Step) bool {
	revocation := steps[0]
	next := slices.IndexFunc(steps, func(s rotate.Step) bool { return s.Kind == rotate.Activate })
	if revocation.Kind != rotate.Revoke || revocation.Duty != rotate.Revocation || next < 0 ||
		j.MayRevoke(revocation.Selector) {
		return false
	}
	copy(steps, steps[1:next+1])
	steps[next] = revocation
	return true
}
