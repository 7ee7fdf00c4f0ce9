// Package hasten makes an emergency as short as signers allow: mail that a signer signs with a compromised key after
// that was revoked fails (I2). It also says how long to wait before what failed is tried again. It imports the leaves,
// rotate, rotate/finding, rotate/health, rotate/ports and rotate/wayout.
package hasten

import (
	"context"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// Switches has switches that are confirmed and yet to come happen at once, before the step takes the record of a
// compromised key away which signers leave by them. One that can't be hastened delays no revocation: until when its
// signer may sign with the key stays noted, and Again tries it again.
func Switches(ctx context.Context, j *health.Judge, s rotate.Step, signers map[string]ports.Signer) {
	if s.Kind != rotate.Revoke && s.Kind != rotate.Publish || !j.Have.Leaked(s.Selector) {
		return
	}
	hasten(ctx, j, signers, wayout.Leaving(j, s.Selector))
}

// Again does so in each run after that, for as long as a signer is to leave a key that was revoked.
func Again(ctx context.Context, j *health.Judge, signers map[string]ports.Signer) {
	hasten(ctx, j, signers, failing(j, signers))
}

// hasten hastens the switches of these signers that can be, at the same time: one that hangs delays what follows once.
func hasten(ctx context.Context, j *health.Judge, signers map[string]ports.Signer, names []string) {
	var all sync.WaitGroup
	hastened := make([]time.Time, len(names)) // until when; zero where it is not
	for i, name := range names {
		c, h := j.Have.Signers[name], later(j, signers, name)
		if h == nil {
			continue
		}
		key := dkim.Ref{Name: dkim.Name{Domain: j.Want.Name, Selector: c.Selector}, KeyID: c.KeyID}
		all.Go(func() {
			var err error
			defer fault.Caught("hasten the switch of signer "+name, &err)
			if err = h.Hasten(ctx, []dkim.Ref{key}); err == nil {
				hastened[i] = j.Now.Add(h.HurriedLag())
			}
		})
	}
	all.Wait()
	for i, name := range names {
		if c := j.Have.Signers[name]; !hastened[i].IsZero() {
			c.At = hastened[i]
			j.Have.Signers[name] = c
		}
	}
}

// later returns the signer if its switch can come sooner than it is to; nil otherwise.
func later(j *health.Judge, signers map[string]ports.Signer, name string) ports.Hastener {
	h, can := signers[name].(ports.Hastener)
	if !can || !j.Now.Add(h.HurriedLag()).Before(j.Have.Signers[name].At) {
		return nil
	}
	return h
}

// failing returns the signers whose mail fails until their switch happens, which can come sooner.
func failing(j *health.Judge, signers map[string]ports.Signer) (names []string) {
	for _, s := range j.Want.Policy.Selectors {
		for _, name := range j.Want.Signers {
			c := j.Have.Signers[name]
			if h := later(j, signers, name); h != nil && c.Selector != s && revoked(j, s, c.At.Add(-signers[name].Lag())) {
				names = append(names, name)
			}
		}
	}
	return names
}

// revoked reports whether the key that signers left a selector with, by a switch at that time, was revoked; a fresh one
// may stand in its place by now.
func revoked(j *health.Judge, s string, left time.Time) bool {
	sel := j.Have.Selector(s)
	return health.Dead(j, s) || sel.Revoked && sel.Key != nil && sel.Key.StoredAt.After(left)
}

// pause is how long after a switch could not be hastened it is tried again.
const pause = time.Minute

// By returns the time until which a run may wait: at, or sooner while mail fails that is signed with a revoked key, and
// a switch away from it can be hastened.
func By(j *health.Judge, signers map[string]ports.Signer, at time.Time) time.Time {
	if soon := j.Now.Add(pause); (at.IsZero() || soon.Before(at)) && len(failing(j, signers)) > 0 {
		return soon
	}
	return at
}

// Next returns what comes next: next, which is nil for nothing, or, where that is sooner, that a switch is hastened.
func Next(j *health.Judge, signers map[string]ports.Signer, next *rotate.Next) *rotate.Next {
	var at time.Time
	if next != nil {
		at = next.At
	}
	soon := By(j, signers, at)
	if soon.Equal(at) {
		return next
	}
	return &rotate.Next{Action: codes.ActionRetry, At: soon, Reason: rotate.Reason{Code: codes.Failed,
		Message: "a switch away from the revoked key could not be brought forward; mail of that signer fails until it happens"}}
}
