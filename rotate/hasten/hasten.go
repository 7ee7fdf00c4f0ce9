// Package hasten makes an emergency as short as signers allow: mail that a signer signs with a compromised key after
// that was revoked fails (I2). It imports the leaves, rotate, rotate/health, rotate/ports and rotate/wayout.
package hasten

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// Switches has switches that are confirmed and yet to come happen at once, before the step takes the record of a
// compromised key away which signers leave by them. One that can't be hastened delays no revocation: until when its
// signer may sign with the key stays noted.
func Switches(ctx context.Context, j *health.Judge, s rotate.Step, signers map[string]ports.Signer) {
	if s.Kind != rotate.Revoke && s.Kind != rotate.Publish || !j.Have.Leaked(s.Selector) {
		return
	}
	for _, name := range wayout.Leaving(j, s.Selector) {
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
