package engine

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// lookBeforeWrite looks once more at a selector's name directly before a record is written
// there: hours may have passed since the run looked, and what somebody put there
// meanwhile is never overwritten (I6). When no server answers now, the earlier answer
// counts, so that a short outage delays no revocation: the provider compares again when it writes.
func (r *run) lookBeforeWrite(ctx context.Context, selector string) error {
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
	if p := r.judge(); p.Standing(selector) == health.Foreign {
		return p.ForeignRecord(selector, seen.Sight)
	}
	return nil
}

// txt returns what makes record the only TXT record at a selector's name, unless something
// that dkimbot did not make stands there when it is written (I6).
func txt(sel rotate.Selector, sight rotate.Sight, record string, ttl time.Duration) dkim.TXT {
	if sight.Unchecked {
		sight.Values = sel.Expected()
	}
	return dkim.TXT{Zone: sight.Zone, Owner: sight.Owner, Value: record, TTL: ttl, Replaces: sel.Ours, Seen: sight.Values}
}
