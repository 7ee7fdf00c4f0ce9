package daemon

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// reportLocks reports waits for locks of other processes in the log.
func (d *daemon) reportLocks(ctx context.Context) context.Context {
	return safefile.Reporting(ctx, func(w safefile.Waiting) {
		d.log.Warn("waiting for a lock", "lock", w.Path, "error", w.Error(), "waited", w.Waited.String(),
			"at_most", w.Longest.String())
	})
}
