package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// checkDomains asks of each domain whether what it has would stop the next step: a foreign record, a key
// that is missing, a signer that signs with another one. Domains for which something failed already are not
// asked about.
func (a *App) checkDomains(ctx context.Context, domains []rotate.Domain,
	before []preflight.Answer) []preflight.Answer {
	part := preflight.Part{Kind: "domains", Name: "as they stand"}
	const what = "nothing stops the next step"
	const within = 5 * time.Minute // each part that is asked for it has an end by its own settings, four minutes at most
	var unasked []preflight.Answer
	r, err := OpenReadOnly(ctx, a.Config, time.Time{})
	if err == nil {
		defer r.Close()
	}
	for _, d := range domains {
		if err != nil || slices.ContainsFunc(before, func(a preflight.Answer) bool { return failsFor(a, d.Name) }) {
			unasked = append(unasked, preflight.Answer{Kind: part.Kind, Name: part.Name, What: what,
				Domains: []string{d.Name}, Unasked: true})
			continue
		}
		part.Questions = append(part.Questions, preflight.Question{What: what, Domains: []string{d.Name},
			Within: within,
			Ask: func(ctx context.Context) error {
				plan, _, err := r.Planner.Plan(ctx, d, rotate.Request{})
				if err == nil {
					err = stopped(plan)
				}
				return err
			}})
	}
	return append(preflight.Ask(ctx, []preflight.Part{part}, preflight.Usual), unasked...)
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
		if f.Asks {
			return &fault.Error{Kind: fault.Permanent, Code: f.Code, What: "see what a person has to put right for " + plan.Name,
				Err: errors.New(f.Message), Hint: f.Repair}
		}
	}
	return nil
}
