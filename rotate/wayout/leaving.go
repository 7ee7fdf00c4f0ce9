package wayout

import (
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// FlightOf returns the first of the steps with which a signer leaves a compromised key when a wait is over, nil where
// none waits. While the record is still to be seen, the end of the wait moves on, and the next look comes first.
func FlightOf(steps []rotate.Step, st rotate.State, now time.Time) *rotate.Step {
	for _, s := range steps {
		key, leaves := st.Selector(s.Selector).Wanted(), s.Duty == rotate.Revocation && s.Kind == rotate.Activate
		if leaves && key != nil && !key.VerifiedAt.IsZero() && s.NotBefore.After(now) {
			return &s
		}
	}
	return nil
}

// FlightReason says what signers wait for that are to leave a compromised key for the selector's.
func FlightReason(s string) rotate.Reason {
	return rotate.Reason{Code: codes.Cache, Message: "resolvers may still answer from before the record of " + s +
		" was published; signers leave the compromised key then"}
}

// OnlySome begins what is said of a record that not every server shows, and that is relied on all the same.
const OnlySome = "not every server shows it"

// EnoughNote says why a record is relied on that not every server shows.
func EnoughNote(j *health.Judge, s string) string {
	shown := OnlySome + " (" + strings.Join(j.Seen.Selectors[s].Sight.Lagging, "; ") + "), but "
	if from := j.Want.Policy.Other(s); health.Dead(j, from) {
		return shown + "mail that signers sign with " + from + " fails at every server that follows, because its key was revoked"
	}
	return shown + "those that don't show neither key, so no mail fails that verifies now"
}

// Departure returns the first of the steps with which a signer leaves a selector because of somebody else's record
// there, or because its name was led away, when a wait is over; nil where none waits.
func Departure(steps []rotate.Step, now time.Time) *rotate.Step {
	i := slices.IndexFunc(steps, func(s rotate.Step) bool {
		leaves := []codes.Code{codes.ForeignRecord, codes.KeyMissing, codes.SharedName, codes.CNAMELoop, codes.NoZone}
		return s.Kind == rotate.Activate && slices.Contains(leaves, s.Reason.Code) && s.NotBefore.After(now)
	})
	if i < 0 {
		return nil
	}
	return &steps[i]
}

// Sooner has the end of a wait come next where that is before the next try of what failed beside it: from then on
// signers can leave a key that is compromised, or whose mail fails (I2). It reports whether it does.
func Sooner(leaves *rotate.Step, st *rotate.State) (changed bool) {
	if leaves == nil || !leaves.NotBefore.Before(st.NextTry) {
		return false
	}
	why := leaves.Reason
	if leaves.Duty == rotate.Revocation {
		why = FlightReason(leaves.Selector)
	}
	st.NextTry = leaves.NotBefore
	st.Next = &rotate.Next{Action: rotate.Activate, Selector: leaves.Selector, At: leaves.NotBefore, Reason: why}
	return true
}

// ShownNote says who shows the record of a selector that is relied on, and why those that do not are not waited for.
func ShownNote(j *health.Judge, s string, sight rotate.Sight) string {
	servers := strings.Join(sight.Lagging, "; ")
	switch {
	case health.Enough(j, s):
		return EnoughNote(j, s)
	case health.Somewhere(j, s) && !sight.Silent:
		return "not all servers show it (" + servers + "), and the signer signs with nothing"
	case sight.Silent:
		return "all servers that answer show it, but not all answer (" + servers + ")"
	case sight.Unchecked:
		return "DNS was not asked (verify.mode none)"
	}
	return sight.Whom() + " shows it"
}
