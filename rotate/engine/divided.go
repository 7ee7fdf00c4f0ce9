package engine

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
)

// divided is a run in which a write failed at one of several DNS accounts.
type divided struct{ *run }

// spread is how long servers of an account that took a record are waited for in an emergency.
const spread = 10 * time.Second

// suffices reports whether signers may leave a compromised key for a record whose publication failed at an account:
// what stands there is enough for them, or is as soon as the servers of the other accounts show it. Then that account
// alone is tried again.
func (r divided) suffices(ctx context.Context, s rotate.Step) bool {
	if s.Kind != rotate.Publish || len(r.want.Also) == 0 || !r.judge().Flight(s.Selector) {
		return false
	}
	deadline := r.engine.Clock.Elapsed() + min(spread, r.want.VerifyTimeout)
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		for _, selector := range r.judge().Want.Policy.Selectors {
			seen := r.seen.Selectors[selector]
			if seen.Sight, seen.SightErr = observe.Record(ctx, r.name(selector), r.engine.Look); ctx.Err() != nil {
				return false
			}
			r.seen.Selectors[selector] = seen
		}
		if j := r.judge(); health.Enough(j, s.Selector) || j.Standing(s.Selector) == health.Current {
			r.st.Published(s.Selector, r.engine.Clock.Now())
			r.relied = append(r.relied, s)
			return true
		}
		if r.engine.Clock.Elapsed()+wait > deadline || r.engine.pause(ctx, wait) != nil || r.lease.Holds() != nil {
			return false
		}
	}
}
