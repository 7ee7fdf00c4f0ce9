package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// lookBeforeWrite looks once more at a selector's name directly before a record is written
// there: hours may have passed since the run looked, and what somebody put there
// meanwhile is never overwritten (I6). When no server answers now, the earlier answer
// counts, so that a short outage delays no revocation: the provider compares again when it writes.
func (r *run) lookBeforeWrite(ctx context.Context, kind rotate.Kind, selector string) error {
	seen := health.At(r.seen, selector)
	sight, err := observe.Record(ctx, r.name(selector), r.engine.Look)
	switch {
	case err == nil:
		seen.Sight, seen.SightErr = sight, nil
	case fault.KindOf(err) != fault.Transient:
		seen.SightErr = err
	}
	plan.Note(r.seen, selector, seen)
	if seen.SightErr != nil {
		return seen.SightErr
	}
	if _, err := (passing{r}).disturbed(ctx, selector, seen); err != nil {
		return err
	}
	p := r.judge()
	may := kind == rotate.Revoke && !p.Bound(selector) || kind == rotate.Publish && health.Lacking(p, selector)
	if p.Standing(selector) == health.Foreign && !may { // else each account compares once more
		return p.ForeignRecord(selector, seen.Sight)
	}
	return nil
}

// look notes what DNS shows at a selector's name where a write reached some accounts only. Where DNS does not answer,
// what was seen before counts.
func (r afterwards) look(ctx context.Context, selector string) error {
	seen := health.At(r.seen, selector)
	sight, err := observe.Record(ctx, r.name(selector), r.engine.Look)
	if err == nil {
		seen.Sight, seen.SightErr = sight, nil
		plan.Note(r.seen, selector, seen)
	}
	return ctx.Err()
}
