package engine

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// Apply carries out the approved steps for the domain, and nothing else. Under the
// lease it makes sure that everything is as it was when they were planned, and does
// what Plan says as long as that was approved. With the first effect it notes in the
// state that the plan is used, so that it can't be used again. Whatever else would have to be done is a
// Refused fault, "stale-plan", and ends the work. A domain whose lease, state or
// surroundings can't be had fails, and its approval holds on; so it does after a veto,
// a limit or a failure before the first effect.
//
// Waits for approved steps that are shorter than patience allows are waited out, after a
// call of waiting, which may be nil. What is left then is in Result.Left; from
// there the domain is looked after like any other.
func (e *Engine) Apply(ctx context.Context, want rotate.Domain, ignore rotate.Ignore, approved rotate.Approval, patience Patience, waiting func(domain string, next rotate.Next)) Result {
	g := newGrant(approved)
	if len(g.left()) == 0 {
		return e.nothingApproved(ctx, want, approved)
	}
	var (
		done    []rotate.Event
		failing time.Time // since when every attempt has failed; zero when the last one did not
		tries   int
	)
	left := rotate.Request{Asked: approved.Asked, Named: true, Approved: true, Ignore: ignore}
	for {
		began := e.Clock.Now()
		res := e.inHandFor(ctx, want, left, func(ctx context.Context, r *run) error {
			r.grant = g
			return r.advance(ctx)
		})
		done = append(done, res.Done...)
		res.Done, res.Left, res.Holds, left.Asked = done, g.leftOf(res), g.holds(res.Err), res.left.Asked
		now := e.Clock.Now()
		next := g.next(res.Plan, began)
		if res.Err == nil {
			failing, tries = time.Time{}, 0
		} else {
			if failing.IsZero() {
				failing = now
			}
			tries++
			next = g.retry(res.Err, now.Add(Backoff(tries)))
		}
		if next == nil || ctx.Err() != nil || !patience.covers(res.Err, *next, now, failing) {
			return res
		}
		if waiting != nil {
			waiting(want.Name, *next)
		}
		if err := e.Clock.Sleep(ctx, next.At.Sub(now)); err != nil {
			return res
		}
	}
}

// covers reports whether to stay for next; err is how the last attempt ended.
func (p Patience) covers(err error, next rotate.Next, now, failing time.Time) bool {
	if err == nil {
		return next.At.Sub(now) < p.Most
	}
	return p.Retry && next.At.Sub(failing) < p.Most
}

// nothingApproved says where a domain stands for which the plan has nothing to do.
func (e *Engine) nothingApproved(ctx context.Context, want rotate.Domain, approved rotate.Approval) Result {
	have, err := e.Store.Load(ctx, want.Name)
	return Result{Domain: want.Name, State: have, Err: err, Left: approved.Steps, Plan: rotate.DomainPlan{Name: want.Name, Phase: have.Phase, Next: have.Next,
		Reason: rotate.Reason{Code: "nothing-planned", Message: "the plan has nothing to do for the domain"}}}
}

// Order is an approval for one domain of the configuration.
type Order struct {
	Domain   rotate.Domain
	Ignore   rotate.Ignore // the limits that a person overrides
	Approved rotate.Approval
}

// ApplyAll applies to the domains side by side, and calls each with every result
// as it comes, one call at a time. waiting may be nil.
func (e *Engine) ApplyAll(ctx context.Context, orders []Order, patience Patience, waiting func(string, rotate.Next), each func(Result)) {
	SideBySide(orders, waiting, each, func(o Order, waiting func(string, rotate.Next)) Result {
		return e.Apply(ctx, o.Domain, o.Ignore, o.Approved, patience, waiting)
	})
}
