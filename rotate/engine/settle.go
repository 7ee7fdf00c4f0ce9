package engine

import (
	"context"
	"sync"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Advance works on the task once: it takes every step of the domain that may be taken now,
// and returns when there is something to wait for, a step failed, or ctx is done. A step that
// has begun is finished or fails before Advance returns, also when ctx is done. A defect met
// on the way is an error of this domain and harms no other.
func (e *Engine) Advance(ctx context.Context, t Task) Result {
	return e.round(ctx, t, nil)
}

// Settle works on the task, and again after each wait that patience allows, until only
// longer waits are left. Before each wait it calls waiting, which may be nil.
func (e *Engine) Settle(ctx context.Context, t Task, patience Patience,
	waiting func(domain string, next rotate.Next)) (res Result) {
	to := &audience{waiting: waiting, each: func(r Result) { res = r }}
	to.left.Add(1)
	e.settle(ctx, t, patience, to)
	return res
}

// SettleAll settles the tasks side by side, and calls each with every result as it comes. Of
// these calls, and those of waiting, which may be nil, there is one at a time.
func (e *Engine) SettleAll(ctx context.Context, tasks []Task, patience Patience,
	waiting func(domain string, next rotate.Next), each func(Result)) {
	to := &audience{waiting: waiting, each: each}
	for _, t := range tasks {
		to.left.Add(1)
		go e.settle(ctx, t, patience, to)
	}
	to.left.Wait()
}

// settle is the loop of rounds and waits.
func (e *Engine) settle(ctx context.Context, t Task, patience Patience, to *audience) {
	defer to.left.Done()
	w := newWork(t)
	if w.grant != nil && len(w.grant.Left()) == 0 && w.grant.Instruction == nil {
		to.result(e.nothingApproved(ctx, t))
		return
	}
	for {
		began := e.Clock.Now()
		res := e.round(ctx, w.Task, w.grant)
		if w.Adoption != nil && res.Err == nil && ctx.Err() == nil { // what follows is settled as if it was asked for now
			w.Adoption, w.done = nil, res.Done
			continue
		}
		now := e.Clock.Now()
		next := w.over(&res, began, now)
		if next == nil || ctx.Err() != nil || !patience.allows(res.Err, *next, now, w.failing) {
			to.result(res)
			return
		}
		to.wait(t.Domain.Name, *next)
		if e.Clock.Sleep(ctx, next.At.Sub(now)) != nil {
			to.result(res)
			return
		}
	}
}

// nothingApproved says where a domain stands for which the plan has nothing to do.
func (e *Engine) nothingApproved(ctx context.Context, t Task) Result {
	have, err := e.Store.Load(ctx, t.Domain.Name)
	return Result{Domain: t.Domain.Name, State: have, Err: err, Left: t.Approval.Steps,
		Plan: rotate.DomainPlan{Name: t.Domain.Name, Phase: have.Phase, Next: have.Next,
			Reason: rotate.Reason{Code: codes.NothingPlanned, Message: "the plan has nothing to do for the domain"}}}
}

// audience hears of waits and results, one call at a time.
type audience struct {
	mu      sync.Mutex
	waiting func(domain string, next rotate.Next) // may be nil
	each    func(Result)
	left    sync.WaitGroup // the tasks without a result
}

func (a *audience) wait(domain string, next rotate.Next) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting != nil {
		a.waiting(domain, next)
	}
}

func (a *audience) result(r Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.each(r)
}
