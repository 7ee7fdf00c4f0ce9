package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/foresight"
)

// consent asks whether the switch that the step begins may begin. After a veto no other signer is tried in this run.
func (r *run) consent(ctx context.Context, s rotate.Step) error {
	if r.engine.Consent == nil || !foresight.NeedsConsent(r.st, s) {
		return nil
	}
	err := r.lease.Asking(ctx, func(ctx context.Context) error { return r.engine.Consent(ctx, r.want, s) })
	afterwards{r}.othersRan(s.Selector)
	if ctx.Err() != nil {
		return ctx.Err() // asked to end while the answer was waited for
	}
	r.vetoed = err != nil
	return err
}
