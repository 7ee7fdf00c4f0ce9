// Package wayout says how failing mail ends without a person: why signers leave an active selector that they can't
// use or whose key is compromised, when they can (leaving.go) and surely have (lag.go), where only a fresh key helps,
// and how to go back from a switch that does not show (back.go). It is pure, and imports calendar, codes, dkim, fault,
// finding, health, rotate and shown.
package wayout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// Deadlocked reports whether the active key was revoked, or is to be at once, while signers can't be given the other
// one and that is not replaced at once: only a fresh key at the active selector itself ends that mail fails. No mail
// needs what stands there.
func Deadlocked(j *health.Judge) bool {
	from := j.Have.Active
	to := j.Want.Policy.Other(from)
	sel := j.Have.Selector(to)
	if !j.Have.Leaked(from) || !j.LostForGood(from) || j.HandsOff(from) || j.Seen.Selectors[from].KeyErr != nil ||
		j.Keeping(from) == health.KeyDifferent || sel.Key == nil || j.Stale(to) || j.LostAll() {
		return false
	}
	lacking := slices.ContainsFunc(j.Want.Signers, func(name string) bool {
		return !j.Confirmed(name, to, sel.Key.ID) && health.Lacks(j, name, to)
	})
	switch {
	case health.Barred(j, to):
		return true
	case j.Have.Leaked(to) || sel.Next != nil:
		return false
	}
	return lacking && !(j.Renewable(to) && !j.Now.Before(Quiet(j, to)))
}

// Unneeded reports whether the keystore has lost the standby's key, every signer answers, and none says that it signs
// with it.
func Unneeded(j *health.Judge, standby string) bool {
	return j.Keeping(standby) == health.KeyGone && !slices.ContainsFunc(j.Want.Signers, func(name string) bool {
		seen, looked := j.Seen.Signers[name]
		return !looked || seen.Err != nil || seen.At(standby)
	})
}

// Reason says why signers leave the active selector.
func Reason(h *health.Check, to string) rotate.Reason {
	from := h.Have.Active
	led := shown.LedTo(h.Seen, h.Name(from))
	switch {
	case health.Forsaken(&h.Judge, from) && led != "":
		return rotate.Reason{Code: fault.CodeOf(h.Seen.Selectors[from].SightErr),
			Message: fmt.Sprintf("%s leads to %s: signers leave it for %s", h.Name(from), led, to)}
	case health.Forsaken(&h.Judge, from) && shown.Gone(h.Seen.Selectors[from]):
		return rotate.Reason{Code: codes.Vanished,
			Message: fmt.Sprintf("the record at %s is gone, and can't be published: signers leave it for %s", h.Name(from), to)}
	case health.Forsaken(&h.Judge, from):
		return rotate.Reason{Code: codes.ForeignRecord,
			Message: fmt.Sprintf("%s shows a record that dkimbot did not make: signers leave it for %s", h.Name(from), to)}
	case h.HandsOff(from):
		return rotate.Reason{Code: codes.SignerStrays,
			Message: fmt.Sprintf("signers can't be given the key of %s: they are given that of %s", from, to)}
	}
	return rotate.Reason{Code: codes.KeyMissing,
		Message: fmt.Sprintf("a signer needs a key, and the keystore can't give it that of %s: signers leave it for %s",
			from, to)}
}

// Because puts why a step repairs something before what it says.
func Because(s rotate.Step, says string) string {
	if s.Reason.Code != codes.Vanished && s.Reason.Code != codes.SignerStrays {
		return says
	}
	return strings.TrimSuffix(s.Reason.Message+"; "+says, "; ")
}
