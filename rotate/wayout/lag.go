package wayout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// Signers state how long their switches take. Until then one may sign with the key that it leaves.

// Leaving returns the signers that have left a selector by a switch that is not surely in effect yet.
func Leaving(j *health.Judge, s string) (names []string) {
	if s != j.Have.Active && s != j.Have.Draining {
		return nil
	}
	for _, name := range j.Want.Signers {
		if c := j.Have.Signers[name]; c.Selector != s && c.At.After(j.Now) {
			names = append(names, name)
		}
	}
	return names
}

// RevokeReason says what a revocation means; from is when. It names the signers that may sign with the key afterwards.
func RevokeReason(j *health.Judge, s, from string) rotate.Reason {
	why := j.RevokeReason(s, from)
	if j.Have.Released != nil {
		return why
	}
	if names := Leaving(j, s); len(names) > 0 {
		last := slices.MaxFunc(names, func(a, b string) int { return j.Have.Signers[a].At.Compare(j.Have.Signers[b].At) })
		why.Message += fmt.Sprintf("; mail through %s may be signed with it, and fail, until %s, when the switch is surely "+
			"in effect", strings.Join(names, ", "), calendar.Until(j.Have.Signers[last].At))
	}
	var names []string
	longest := time.Duration(0)
	for _, name := range j.Want.Signers {
		if lag := j.Seen.Lags[name]; lag > 0 && j.Seen.Signers[name].At(s) && j.Have.Signers[name].Selector == s {
			names, longest = append(names, name), max(longest, lag)
		}
	}
	if len(names) > 0 {
		why.Message += fmt.Sprintf("; mail through %s may be signed with it, and fail, for up to %s after the switch",
			strings.Join(names, ", "), calendar.Span(longest))
	}
	return why
}

// Spared reports whether a compromised key's record is to stay for now: mail by it would fail for nothing.
func Spared(j *health.Judge, selector string) bool {
	return j.Have.Leaked(selector) && !j.LostForGood(selector) && !j.MayRevoke(selector)
}

// Kept returns when the private keys of selector s may be destroyed, and forgotten by signers: at from, or when no
// process of a signer that has left the selector can need the key's file any more (I1).
func Kept(j *health.Judge, s string, from time.Time) time.Time {
	for _, name := range j.Want.Signers {
		if c := j.Have.Signers[name]; j.Seen.Lingers[name] && c.Selector != s && c.At.After(j.Now) && c.At.After(from) {
			from = c.At
		}
	}
	return from
}
