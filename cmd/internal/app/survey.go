package app

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/foresight"
)

// Survey is how a domain stands: in the state, and in DNS, the keystore and the
// signers, which Plan.Seen holds.
type Survey struct {
	Want  rotate.Domain
	State rotate.State
	Plan  rotate.DomainPlan
}

// Survey looks at the domains, many at once, in their order, and plans what ask says that is
// asked of each. The App must have been opened for reading only.
func (a *App) Survey(ctx context.Context, domains []rotate.Domain,
	ask func(domain string) rotate.Request) ([]Survey, error) {
	out := make([]Survey, len(domains))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i, d := range domains {
		group.Go(func() (err error) {
			out[i].Want = d
			out[i].Plan, out[i].State, err = a.Planner.Plan(ctx, d, ask(d.Name))
			return err
		})
	}
	return out, group.Wait()
}

// Plan plans what req asks of the domains, many at once, in their order.
func (a *App) Plan(ctx context.Context, domains []rotate.Domain, req rotate.Request) ([]rotate.DomainPlan, error) {
	surveys, err := a.Survey(ctx, domains, func(string) rotate.Request { return req })
	plans := make([]rotate.DomainPlan, len(surveys))
	for i, s := range surveys {
		plans[i] = s.Plan
	}
	foresight.OneName(plans)
	return plans, err
}

// Forecast returns what is to come for the domains from then on for that long, in their
// order, as if each plan were approved as soon as it is due.
func (a *App) Forecast(ctx context.Context, domains []rotate.Domain, from time.Time,
	length time.Duration) ([]forecast.Outlook, error) {
	lags, err := Lags(a.Config)
	if err != nil {
		return nil, err
	}
	req := rotate.Request{Approved: true}
	surveys, err := a.Survey(ctx, domains, func(string) rotate.Request { return req })
	if err != nil {
		return nil, err
	}
	out := make([]forecast.Outlook, len(surveys))
	for i, s := range surveys {
		out[i] = forecast.Of(forecast.Start{Now: from, Want: s.Want, Request: req, Have: s.State, Seen: s.Plan.Seen,
			Lags: lags}, from.Add(length))
	}
	return out, nil
}

// Origin returns the lineage of the configured state, "" when there is none yet, and
// the key that it signs plans with. It changes nothing.
func Origin(ctx context.Context, cfg *config.Config) (lineage string, planKey []byte, err error) {
	a := &App{Config: cfg}
	defer a.Close()
	store, err := a.openState(ctx)
	if err != nil {
		return "", nil, err
	}
	return store.Lineage(), store.PlanKey(), nil
}
