package hasten

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Backoff returns how long to wait after the given number of failures in a row:
// half a minute at first, twice as long each time, an hour at most.
func Backoff(failures int) time.Duration {
	const first, most = 30 * time.Second, time.Hour
	wait := first
	for range failures - 1 {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}

// pressing is the longest pause while mail fails, or while a compromised key is not revoked: what was in the way may be
// gone at any time, and each minute counts then.
const pressing = 2 * time.Minute

// Pause returns how long to wait after failures in a row of a domain that stands so.
func Pause(st rotate.State, failures int) time.Duration {
	if Pressing(st) {
		return min(Backoff(failures), pressing)
	}
	return Backoff(failures)
}

// Pressing reports whether mail of a domain fails or leaves unsigned, or may, or a compromised key of it stands in DNS.
func Pressing(st rotate.State) bool {
	for _, sel := range st.Selectors {
		if k := sel.Key; k != nil && !k.Leaked.IsZero() && k.RevokedAt.IsZero() && !k.PublishedAt.IsZero() {
			return true
		}
	}
	used := []string{st.Active, st.Target, st.Draining}
	return slices.ContainsFunc(st.Drift, func(f finding.Finding) bool {
		switch f.Code {
		case codes.MailFails, codes.RecordExposed, codes.SignerEmpty, codes.SignerStrays:
			return true
		case codes.RecordVanished, codes.RecordEarlier, codes.RecordsDoubled, codes.RecordForeign, codes.RecordSecond:
			return slices.Contains(used, f.Selector)
		}
		return false
	})
}

// Retry returns when to try again after a failure at now. One that came before the noted next try was a person's: it
// takes no part in the pauses, and neither counts nor puts the noted one off.
func Retry(st *rotate.State, noted time.Time, counts bool, now time.Time) time.Time {
	early := st.Failures > 0 && noted.After(now)
	if counts && !early {
		st.Failures++
	}
	at := now.Add(Backoff(st.Failures))
	if early && noted.Before(at) {
		return noted
	}
	return at
}

// Press brings the next try of what failed forward where the state, as it was just seen, does not let it wait.
func Press(st *rotate.State, now time.Time) {
	soon := now.Add(pressing)
	if !st.NextTry.After(soon) || !Pressing(*st) {
		return
	}
	st.NextTry = soon
	if n := st.Next; n != nil && n.Action == codes.ActionRetry {
		n.At = soon
		return
	}
	st.Next = &rotate.Next{Action: codes.ActionRetry, Selector: st.Failed.Selector, At: soon,
		Reason: rotate.Reason{Code: codes.Failed, Message: st.LastError}}
}
