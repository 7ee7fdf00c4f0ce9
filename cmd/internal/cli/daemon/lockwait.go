package daemon

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// tellLocks makes waits for locks of other processes told in the log.
func (d *daemon) tellLocks(ctx context.Context) context.Context {
	return safefile.Telling(ctx, func(w safefile.Waiting) {
		d.log.Warn("waiting for a lock", "lock", w.Path, "error", w.Error(), "waited", w.Waited.String(),
			"at_most", w.Longest.String())
	})
}
