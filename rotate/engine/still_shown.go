package engine

import (
	"context"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
)

// afterwards is a run in which time has passed since it looked.
type afterwards struct{ *run }

// fleeting is how long a look at a record counts where nothing of the operator's ran meanwhile.
const fleeting = 30 * time.Second

// othersRan notes that programs of the operator's may have run since a record was looked at: a hook, or what reloads a
// signer. However short they took, they may have changed DNS.
func (r afterwards) othersRan(selector string) {
	if at, verified := r.looked[selector]; verified {
		r.looked[selector] = at - fleeting
	}
}

// stillShown looks at a record once more where time has passed since it was verified. It stands just before a signer is
// switched to it, and returns what DNS shows instead (I2); servers that do not answer say nothing new.
func (r afterwards) stillShown(ctx context.Context, s rotate.Step) error {
	at, verified := r.looked[s.Selector]
	if !verified || r.engine.Clock.Elapsed()-at < fleeting {
		return nil
	}
	seen := r.seen.Selectors[s.Selector]
	seen.Sight, seen.SightErr = observe.Record(ctx, r.name(s.Selector), r.engine.Look)
	switch lasting := fault.KindOf(seen.SightErr) != fault.Transient; {
	case lasting: // its name was led elsewhere
		return seen.SightErr
	case seen.SightErr != nil:
		return ctx.Err()
	}
	r.seen.Selectors[s.Selector] = seen
	disturbed, err := passing(r).disturbed(ctx, s.Selector, seen)
	if err != nil {
		return err
	}
	switch fate, j := r.seen.Fate(s.Selector, s.To.KeyID), r.judge(); {
	case health.Partly(j, s.Selector) && health.Enough(j, s.Selector): // to go makes nothing worse
	case j.Standing(s.Selector) == health.Foreign:
		return j.ForeignRecord(s.Selector, seen.Sight)
	case fate == rotate.Fails || fate == rotate.Disowned || disturbed ||
		s.Duty == rotate.Turn && r.st.Selectors[s.Selector].Key.VerifiedAt.IsZero(): // it was, for the signer before
		return fault.Temporary("see "+r.name(s.Selector).String()+" once more before signer "+s.Signer+" is switched to it",
			errors.New("it was there a moment ago, and now DNS shows "+dkim.Brief(append(seen.Sight.Wildcard, seen.Sight.Values...))),
			"see who changes the zone; it is published again by itself")
	}
	r.looked[s.Selector] = r.engine.Clock.Elapsed()
	return nil
}
