package rotate

import (
	"context"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Patience says how long a run may stay for what has to be waited for.
type Patience struct {
	Most  time.Duration // waits up to this long are waited out, longer ones end the run
	Retry bool          // failures that may pass by themselves are tried again, within Most
}

// Settle advances the domain, and again after each wait that patience allows, until
// only longer waits are left. Before each wait it calls waiting, which may be nil.
func (e *Engine) Settle(ctx context.Context, want Domain, patience Patience, waiting func(domain string, next Next)) Result {
	asked := want.Asked
	var done []Event
	for {
		want.Asked = asked
		res := e.guarded(ctx, want)
		done = append(done, res.Done...)
		res.Done = done
		next := res.State.Next
		// What was asked for is one rotation: a turn that is under way, or has
		// been begun by now, is carried on and no further one started.
		asked = asked && res.State.Phase == Ready && len(done) == 0
		if next == nil || ctx.Err() != nil || next.Action == "rotate" && !asked || !patience.allows(res, e.Clock.Now()) {
			return res
		}
		if waiting != nil {
			waiting(want.Name, *next)
		}
		if err := e.Clock.Sleep(ctx, next.At.Sub(e.Clock.Now())); err != nil {
			return res
		}
	}
}

func (p Patience) allows(res Result, now time.Time) bool {
	if res.Err != nil && (!p.Retry || fault.KindOf(res.Err) != fault.Transient) {
		return false
	}
	return res.State.Next.At.Sub(now) <= p.Most
}

// SettleAll settles the domains side by side, and calls each with every result as
// it comes, one call at a time. waiting may be nil.
func (e *Engine) SettleAll(ctx context.Context, domains []Domain, patience Patience, waiting func(string, Next), each func(Result)) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	tell := func(domain string, next Next) {
		mu.Lock()
		defer mu.Unlock()
		if waiting != nil {
			waiting(domain, next)
		}
	}
	for _, d := range domains {
		wg.Go(func() {
			res := e.Settle(ctx, d, patience, tell)
			mu.Lock()
			defer mu.Unlock()
			each(res)
		})
	}
	wg.Wait()
}
