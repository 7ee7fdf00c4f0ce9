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
