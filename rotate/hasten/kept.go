package hasten

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/health"
)

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
