package engine_test

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// wish is a domain together with what a command asks of it.
type wish plantest.Wish

func (w wish) plan(now time.Time, have rotate.State, seen rotate.Observation) rotate.DomainPlan {
	return plan.Plan(now, w.Domain, w.Request, have, seen)
}

func (w wish) task() engine.Task { return engine.Task{Domain: w.Domain, Request: w.Request} }

// configured returns the domains of wishes.
func configured(wishes []wish) (domains []rotate.Domain) {
	for _, w := range wishes {
		domains = append(domains, w.Domain)
	}
	return domains
}

// testEngine is an engine that is given wishes.
type testEngine struct{ *engine.Engine }

func newEngine(parts engine.Parts) *testEngine { return &testEngine{engine.NewEngine(parts)} }

func (e *testEngine) Advance(ctx context.Context, d wish) engine.Result {
	return e.Engine.Advance(ctx, d.task())
}

func (e *testEngine) Adopt(ctx context.Context, d wish, a rotate.Adoption) engine.Result {
	return e.Engine.Advance(ctx, engine.Task{Domain: d.Domain, Request: d.Request, Adoption: &a})
}

func (e *testEngine) Settle(ctx context.Context, d wish, patience engine.Patience,
	waiting func(string, rotate.Next)) engine.Result {
	return e.Engine.Settle(ctx, d.task(), patience, waiting)
}

func (e *testEngine) Apply(ctx context.Context, d wish, a approval.Approval, patience engine.Patience,
	waiting func(string, rotate.Next)) engine.Result {
	t := engine.Task{Domain: d.Domain, Request: rotate.Request{Ignore: d.Ignore}, Approval: &a}
	return e.Engine.Settle(ctx, t, patience, waiting)
}

func (e *testEngine) SettleAll(ctx context.Context, all []wish, patience engine.Patience,
	waiting func(string, rotate.Next), each func(engine.Result)) {
	var tasks []engine.Task
	for _, d := range all {
		tasks = append(tasks, d.task())
	}
	e.Engine.SettleAll(ctx, tasks, patience, waiting, each)
}

// unaskedOf returns wishes that ask nothing of the domains.
func unaskedOf(domains []rotate.Domain) (wishes []wish) {
	for _, d := range domains {
		wishes = append(wishes, wish{Domain: d})
	}
	return wishes
}
