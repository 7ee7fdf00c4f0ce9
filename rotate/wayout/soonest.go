package wayout

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/health"
)

// Soonest returns when a signer may be given a good key at a selector: at once where its mail fails now, wherever it is
// verified, since a wait would only let more of it fail; else when resolvers know the record.
func Soonest(h *health.Check, signer, to string) time.Time {
	if health.Stranded(&h.Judge, signer) {
		return time.Time{}
	}
	return h.Known(to)
}
