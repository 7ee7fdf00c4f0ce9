package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// checkDomains asks of each domain whether what it has would stop the next step, such as a foreign record or a key
// that is missing, and of each of its signers whether it signs as it confirmed: one that answers may let mail through
// unsigned. Domains for which something failed already are not asked about.
func (a *App) checkDomains(ctx context.Context, domains []rotate.Domain,
	before []preflight.Answer) []preflight.Answer {
	stand := preflight.Part{Kind: "domains", Name: "as they stand"}
	signers := map[string]*preflight.Part{}
	const within = 5 * time.Minute // each part that is asked for it has an end by its own settings, four minutes at most
	var unasked []preflight.Answer
	r, err := OpenReadOnly(ctx, a.Config, time.Time{})
	if err == nil {
		defer r.Close()
	}
	for _, d := range domains {
		skip := err != nil || slices.ContainsFunc(before, func(a preflight.Answer) bool { return failsFor(a, d.Name) })
		plan := &planned{app: r, domain: d}
		ask := func(part *preflight.Part, what string, ask func(context.Context) error) {
			if skip {
				unasked = append(unasked, preflight.Answer{Kind: part.Kind, Name: part.Name, What: what,
					Domains: []string{d.Name}, Unasked: true})
				return
			}
			part.Questions = append(part.Questions,
				preflight.Question{What: what, Domains: []string{d.Name}, Within: within, Ask: ask})
		}
		ask(&stand, "nothing stops the next step", plan.stopped)
		for _, name := range d.Signers {
			if signers[name] == nil {
				signers[name] = &preflight.Part{Kind: "signer", Name: name}
			}
			ask(signers[name], "signs as dkimbot left it",
				func(ctx context.Context) error { return plan.strayed(ctx, name) })
		}
	}
	parts := []preflight.Part{stand}
	for _, name := range slices.Sorted(maps.Keys(signers)) {
		parts = append(parts, *signers[name])
	}
	// as many at once as in a rotation: what many domains ask a signer meanwhile is one question to its host
	together := preflight.Limits{Parallel: 2 * workers, Each: preflight.Usual.Each}
	return append(preflight.Ask(ctx, parts, together), unasked...)
}

// planned is the plan of a domain, made once for all that is asked about it.
type planned struct {
	app    *App
	domain rotate.Domain

	once sync.Once
	plan rotate.DomainPlan
	err  error
}

func (p *planned) make(ctx context.Context) error {
	p.once.Do(func() { p.plan, _, p.err = p.app.Planner.Plan(ctx, p.domain, rotate.Request{}) })
	return p.err
}

func (p *planned) stopped(ctx context.Context) error {
	if err := p.make(ctx); err != nil {
		return err
	}
	return stopped(p.plan)
}

func (p *planned) strayed(ctx context.Context, signer string) error {
	if p.make(ctx) != nil {
		return preflight.ErrUnasked // why is said of the domain
	}
	return strayed(p.plan, signer)
}

// failsFor reports whether something that the domain needs is missing.
func failsFor(a preflight.Answer, domain string) bool {
	return (a.Err != nil || a.Unasked) && (len(a.Domains) == 0 || slices.Contains(a.Domains, domain))
}

// stopped returns what keeps a plan from being carried out, or what a person has to put right.
func stopped(plan rotate.DomainPlan) error {
	if plan.Stop != nil {
		return plan.Stop
	}
	for _, f := range plan.Drift {
		if f.Asks && !strays(f) {
			return &fault.Error{Kind: fault.Permanent, Code: f.Code, What: "see what a person has to put right for " + plan.Name,
				Err: errors.New(f.Message), Hint: f.Repair}
		}
	}
	return nil
}

// strayed returns how a signer signs otherwise than it confirmed. dkimbot repairs that by itself, but until then
// mail leaves unsigned, or fails.
func strayed(plan rotate.DomainPlan, signer string) error {
	i := slices.IndexFunc(plan.Drift, func(f finding.Finding) bool { return f.Signer == signer && strays(f) })
	if i < 0 {
		return nil
	}
	f := plan.Drift[i]
	hint := f.Repair
	if !f.Asks {
		hint += "; 'dkimbot repair --domain " + plan.Name + "' tries that now and says what keeps it from succeeding"
	}
	return &fault.Error{Kind: fault.Permanent, Code: f.Code, What: "compare what signer " + signer + " signs with and what " +
		"it confirmed", Err: errors.New(f.Message), Hint: hint}
}

// strays reports whether a finding says that a signer signs otherwise than it confirmed, or would after its next start.
func strays(f finding.Finding) bool {
	return slices.Contains([]codes.Code{codes.SignerEmpty, codes.SignerStrays, codes.SignerSilent,
		codes.SignerUnkept}, f.Code)
}
