package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/dkimbot/dkimbot/cmd/internal/keyimport"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// finder returns what finds keys where source says.
func (a *App) finder(ctx context.Context, source keyimport.Source) (*keyimport.Finder, error) {
	f := &keyimport.Finder{Source: source}
	if a.Engine != nil {
		f.Keys, f.Look = a.Engine.Keys, a.Engine.Look
	} else {
		f.Keys, f.Look = a.Planner.Keys, a.Planner.Look
	}
	if source.Vault == nil {
		return f, nil
	}
	own := a.Config.Keystore.Vault
	if own == nil {
		return nil, fault.Lasting("read keys in Vault", errors.New("the configuration's keystore is not in Vault"),
			"set keystore.driver to vault; the keys are read with its address and login")
	}
	there := *own
	there.Mount, there.Prefix = vault.SplitPath(source.Vault.Path, own.Mount)
	store, err := OpenVault(ctx, &there)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, store.Close)
	f.Vault = store
	return f, nil
}

// Adoption says which domains are adopted, where their keys are found, and how long a run stays for their waits.
type Adoption struct {
	Domains  []rotate.Domain
	Request  rotate.Request
	Source   keyimport.Source
	Patience engine.Patience
}

// Adopt adopts what is found for the domains, side by side, waits as the patience
// allows, and calls each with every result as it comes, one call at a time.
func (a *App) Adopt(ctx context.Context, what Adoption, waiting func(string, rotate.Next),
	each func(engine.Result)) error {
	finder, err := a.finder(ctx, what.Source)
	if err != nil {
		return err
	}
	var tasks []engine.Task
	found := map[string]keyimport.Found{}
	for i, f := range findAll(ctx, finder, what.Domains) {
		d := what.Domains[i]
		if f.err != nil {
			each(engine.Result{Domain: d.Name, Err: f.err})
			continue
		}
		found[d.Name] = f.Found
		tasks = append(tasks, engine.Task{Domain: d, Request: what.Request, Adoption: &f.Adoption})
	}
	a.Engine.SettleAll(ctx, tasks, what.Patience, waiting, func(res engine.Result) {
		if len(res.Done) > 0 {
			d := what.Domains[slices.IndexFunc(what.Domains, func(d rotate.Domain) bool { return d.Name == res.Domain })]
			res.Plan.Warnings = append(res.Plan.Warnings, a.notes(d, found[d.Name], res.Plan)...)
		}
		each(res)
	})
	return nil
}

// findResult is what was found for a domain, or why nothing could be.
type findResult struct {
	keyimport.Found
	err error
}

// findAll finds keys for all the domains at once.
func findAll(ctx context.Context, finder *keyimport.Finder, domains []rotate.Domain) []findResult {
	all := make([]findResult, len(domains))
	var wg sync.WaitGroup
	for i, d := range domains {
		wg.Go(func() { all[i].Found, all[i].err = finder.Find(ctx, d) })
	}
	wg.Wait()
	return all
}

// notes returns what an operator should look at who adopts what was found.
func (a *App) notes(d rotate.Domain, found keyimport.Found, plan rotate.DomainPlan) []finding.Warning {
	return slices.Concat(found.Notes, a.handOver(d, found, plan))
}

// handOver reports adopted records that stand outside of what dkimbot changes.
func (a *App) handOver(d rotate.Domain, found keyimport.Found, plan rotate.DomainPlan) (notes []finding.Warning) {
	for _, name := range d.Accounts() {
		if part, ok := a.Config.Providers[name].Account.(providers.InPart); ok {
			notes = append(notes, outside(part, found, plan)...)
		}
	}
	return notes
}

// outside reports adopted records that stand outside of the part that dkimbot changes.
func outside(part providers.InPart, found keyimport.Found, plan rotate.DomainPlan) (notes []finding.Warning) {
	for _, k := range found.Keys {
		sight := plan.Seen.Selectors[k.Selector].Sight
		owns, err := part.Owns(sight.Zone, sight.Owner)
		if err == nil && !owns {
			notes = append(notes, finding.Warning{Code: codes.OutsideBlock, About: finding.Thing{Selector: k.Selector},
				Message: fmt.Sprintf("the record of %s %s", k.Name, part.Outside())})
		}
	}
	return notes
}

// PlanAdoption plans the adoption of what is found for the domains, in their order.
func (a *App) PlanAdoption(ctx context.Context, domains []rotate.Domain, req rotate.Request,
	source keyimport.Source) ([]rotate.DomainPlan, error) {
	finder, err := a.finder(ctx, source)
	if err != nil {
		return nil, err
	}
	var plans []rotate.DomainPlan
	for _, d := range domains {
		found, err := finder.Find(ctx, d)
		if err != nil {
			plans = append(plans, rotate.DomainPlan{Name: d.Name, Stop: err})
			continue
		}
		plan, err := a.Planner.PlanAdoption(ctx, d, req, found.Adoption)
		if err != nil {
			return nil, err
		}
		if plan.Stop == nil {
			plan.Warnings = append(plan.Warnings, a.notes(d, found, plan)...)
		}
		plans = append(plans, plan)
	}
	return plans, nil
}
