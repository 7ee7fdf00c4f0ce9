package cli

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// tellLocks makes waits for locks of other processes told on standard error.
func (p *program) tellLocks(ctx context.Context) context.Context {
	return safefile.Telling(ctx, func(w safefile.Waiting) {
		fmt.Fprintf(p.Err, "Waiting since %s: %s. It is waited for while it may still be at work (%s).\n",
			rotate.Span(w.Waited), w.Error(), rotate.Span(w.Longest))
	})
}

// tellLocks makes them told in the log.
func (d *daemon) tellLocks(ctx context.Context) context.Context {
	return safefile.Telling(ctx, func(w safefile.Waiting) {
		d.log.Warn("waiting for a lock", "lock", w.Path, "error", w.Error(), "waited", w.Waited.String(),
			"at_most", w.Longest.String())
	})
}
