package console

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// reportLocks reports waits for locks of other processes on standard error.
func (p *Program) reportLocks(ctx context.Context) context.Context {
	return safefile.Reporting(ctx, func(w safefile.Waiting) {
		fmt.Fprintf(p.Err, "Waiting since %s: %s. It is waited for while it may still be at work (%s).\n",
			calendar.Span(w.Waited), w.Error(), calendar.Span(w.Longest))
	})
}
