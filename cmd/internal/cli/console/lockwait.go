package console

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// tellLocks makes waits for locks of other processes told on standard error.
func (p *Program) tellLocks(ctx context.Context) context.Context {
	return safefile.Telling(ctx, func(w safefile.Waiting) {
		fmt.Fprintf(p.Err, "Waiting since %s: %s. It is waited for while it may still be at work (%s).\n",
			rotate.Span(w.Waited), w.Error(), rotate.Span(w.Longest))
	})
}
