package engine

import (
	"context"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Patience says how long a run may stay for what has to be waited for.
type Patience struct {
	Most  time.Duration // waits shorter than this are waited out, others end the run
	Retry bool          // failures that may pass by themselves are tried again, for less than Most in a row
}

// Settle advances the domain, and again after each wait that patience allows, until
// only longer waits are left. Before each wait it calls waiting, which may be nil.
//
// What req asks for is one rotation: a turn that is under way, or has been begun
// by now, is carried on and no further one started.
func (e *Engine) Settle(ctx context.Context, want rotate.Domain, req rotate.Request, patience Patience, waiting func(domain string, next rotate.Next)) Result {
	var (
		done    []rotate.Event
		last    rotate.State // as it was seen last
		failing time.Time    // since when every attempt has failed; zero when the last one did not
		left    = req        // what is yet to be done
	)
	left.Patient = req.Named
	for {
		res := e.Advance(ctx, want, left)
		done = append(done, res.Done...)
		if res.State.Domain == "" {
			res.State = last
		}
		last = res.State
		res.Done, left.Asked, left.Instruction, left.Named = done, res.left.Asked, res.left.Instruction, left.Named && len(done) == 0
		now := e.Clock.Now()
		switch {
		case res.Err == nil:
			failing = time.Time{}
		case failing.IsZero():
			failing = now
		}
		if ctx.Err() != nil || !patience.allows(res, now, failing) {
			return res
		}
		if waiting != nil {
			waiting(want.Name, *res.State.Next)
		}
		if err := e.Clock.Sleep(ctx, res.State.Next.At.Sub(now)); err != nil {
			return res
		}
	}
}

// allows reports whether to stay for what comes next after res.
func (p Patience) allows(res Result, now, failing time.Time) bool {
	next := res.State.Next
	switch {
	case res.State.Released != nil: // what is waited for then is other people's doing
		return false
	case next == nil || next.Action == "resume" || next.Action == "rotate" && !res.left.Asked:
		return false
	case res.Err == nil:
		return next.At.Sub(now) < p.Most
	}
	return p.Retry && fault.KindOf(res.Err) == fault.Transient && next.At.Sub(failing) < p.Most
}

// SettleAll settles the domains side by side, with the same request for each, and calls each with every result as
// it comes, one call at a time. waiting may be nil.
func (e *Engine) SettleAll(ctx context.Context, domains []rotate.Domain, req rotate.Request, patience Patience, waiting func(string, rotate.Next), each func(Result)) {
	SideBySide(domains, waiting, each, func(d rotate.Domain, waiting func(string, rotate.Next)) Result {
		return e.Settle(ctx, d, req, patience, waiting)
	})
}

// SideBySide does work for all items at once, and calls each with every result as
// it comes. Of these calls, and those that work makes of waiting, there is one at a
// time. waiting may be nil.
func SideBySide[T any](items []T, waiting func(string, rotate.Next), each func(Result), work func(item T, waiting func(string, rotate.Next)) Result) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	tell := func(domain string, next rotate.Next) {
		mu.Lock()
		defer mu.Unlock()
		if waiting != nil {
			waiting(domain, next)
		}
	}
	for _, item := range items {
		wg.Go(func() {
			res := work(item, tell)
			mu.Lock()
			defer mu.Unlock()
			each(res)
		})
	}
	wg.Wait()
}
