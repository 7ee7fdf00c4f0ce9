package engine_test

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// wish is a domain together with what a command asks of it.
type wish struct {
	rotate.Domain
	rotate.Request
}

func (w wish) plan(now time.Time, have rotate.State, seen rotate.Observation) rotate.DomainPlan {
	return plan.Plan(now, w.Domain, w.Request, have, seen)
}

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
	return e.Engine.Advance(ctx, d.Domain, d.Request)
}

func (e *testEngine) Adopt(ctx context.Context, d wish, a rotate.Adoption) engine.Result {
	return e.Engine.Adopt(ctx, d.Domain, d.Request, a)
}

func (e *testEngine) Settle(ctx context.Context, d wish, patience engine.Patience, waiting func(string, rotate.Next)) engine.Result {
	return e.Engine.Settle(ctx, d.Domain, d.Request, patience, waiting)
}

func (e *testEngine) Apply(ctx context.Context, d wish, a rotate.Approval, patience engine.Patience, waiting func(string, rotate.Next)) engine.Result {
	return e.Engine.Apply(ctx, d.Domain, d.Ignore, a, patience, waiting)
}

func (e *testEngine) SettleAll(ctx context.Context, all []wish, patience engine.Patience, waiting func(string, rotate.Next), each func(engine.Result)) {
	engine.SideBySide(all, waiting, each, func(d wish, waiting func(string, rotate.Next)) engine.Result {
		return e.Settle(ctx, d, patience, waiting)
	})
}

// unaskedOf returns wishes that ask nothing of the domains.
func unaskedOf(domains []rotate.Domain) (wishes []wish) {
	for _, d := range domains {
		wishes = append(wishes, wish{Domain: d})
	}
	return wishes
}
