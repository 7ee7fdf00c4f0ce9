package engine

import (
	"cmp"
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// stillForsaken looks once more at the selector that a signer leaves for nothing but somebody else's record there: one
// look could have been a moment's, or a lie. Where dkimbot's own stands there again the signer stays.
func (r afterwards) stillForsaken(ctx context.Context, s rotate.Step) error {
	from := plan.Forsakes(r.st, r.seen.Signers[s.Signer], s)
	if from != "" && health.Forsaken(r.judge(), from) {
		seen := r.seen.Selectors[from]
		seen.Sight, seen.SightErr = observe.Record(ctx, r.name(from), r.engine.Look)
		if err := cmp.Or(ctx.Err(), seen.SightErr); err != nil && fault.KindOf(err) == fault.Transient {
			return err
		}
		r.seen.Selectors[from] = seen
		if _, err := passing(r).disturbed(ctx, from, seen); err != nil {
			return err
		}
	}
	if from != "" && !health.Forsaken(r.judge(), from) {
		return needless("what somebody else put at " + r.name(from).String() + " does not stand there any more")
	}
	return nil
}
