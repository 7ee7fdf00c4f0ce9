// Package hasten makes an emergency as short as signers allow, and says how long it is: mail that a signer signs with a
// compromised key after that was revoked fails, and signers state how long their switches take (I2). It
// imports the leaves, rotate, rotate/calendar, rotate/health and rotate/ports.
package hasten

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Switches has switches that are confirmed and yet to come happen at once, before the step takes the record of a
// compromised key away which signers leave by them. One that can't be hastened delays no revocation: until when its
// signer may sign with the key stays noted.
func Switches(ctx context.Context, j *health.Judge, s rotate.Step, signers map[string]ports.Signer) {
	if s.Kind != rotate.Revoke && s.Kind != rotate.Publish || !j.Have.Leaked(s.Selector) {
		return
	}
	for _, name := range leaving(j, s.Selector) {
		h, can := signers[name].(ports.Hastener)
		c := j.Have.Signers[name]
		key := dkim.Ref{Name: dkim.Name{Domain: j.Want.Name, Selector: c.Selector}, KeyID: c.KeyID}
		if !can || !j.Now.Add(h.HurriedLag()).Before(c.At) || h.Hasten(ctx, []dkim.Ref{key}) != nil {
			continue
		}
		c.At = j.Now.Add(h.HurriedLag())
		j.Have.Signers[name] = c
	}
}

// leaving returns the signers that have left a selector by a switch that is not surely in effect yet.
func leaving(j *health.Judge, s string) (names []string) {
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
	if names := leaving(j, s); len(names) > 0 {
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
