package engine

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/foresight"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Planner looks and plans. It holds nothing that could change anything (I11). It is safe for concurrent use.
type Planner struct {
	State   ports.StateReader
	Keys    ports.KeyReader
	Look    ports.Looker
	Signers map[string]ports.SignerReader
	Clock   ports.Clock
	// by the provider's name; may be nil: then it is not asked beforehand whether a record can be published
	Accounts map[string]preflight.Checker
	// what has to be so that a switch begins
	BeforeSwitches []preflight.Question
	Recording      []preflight.Question // what has to be so that a step is recorded

	once      sync.Once
	questions map[string]*observe.Questions
}

// Plan observes the domain and says what would be done now. Only a state that
// can't be read is an error; everything else that is wrong is reported in the plan.
func (p *Planner) Plan(ctx context.Context, want rotate.Domain,
	req rotate.Request) (rotate.DomainPlan, rotate.State, error) {
	have, seen, err := p.observe(ctx, want)
	if err != nil {
		return rotate.DomainPlan{}, rotate.State{}, err
	}
	now, basis := p.Clock.Now(), have.Basis()
	have, renamed := follow.State(have, want, now)
	req = req.In(have, want.Signers)
	present, _ := have.Adjusted(ports.InstantOf(p.Clock))
	after, events, err := order.Apply(now, want, req, present, seen)
	var before map[string]rotate.SelectorSeen
	if othersThan(present, after) {
		before = seen.Selectors
		seen = p.see(ctx, want, after)
	}
	was := after.Phase
	if foresight.Moves(events) { // it is managed, and signers sign all the while
		was = have.Phase
	}
	made := foresight.Barred(plan.Ordered(now, want, req, was, after, seen), now, follow.Barred(after, want, now))
	if err == nil && forecast.Open(after, req.Instruction) {
		made = forecast.Emergency(forecast.Start{Now: now, Want: want, Request: req, Have: after, Seen: seen,
			Lags: observe.Lags(slices.Collect(maps.Keys(p.Signers)), p.Signers)})
	}
	if err != nil {
		made.Stop, made.Steps, made.Next = err, nil, nil
	}
	made = foresight.Parts{Keys: p.Keys, Account: accounts.Of(want, p.Accounts), Switches: p.BeforeSwitches,
		State: p.Recording, Readers: p.Signers}.Foreseen(ctx, want, after, made)
	made.Basis, made.Ordered = basis, append(renamed, events...)
	maps.Copy(made.Seen.Selectors, before) // what is there where the instruction is yet to be obeyed
	return made, have, nil
}

// PlanAdoption observes the domain and says what adopting the keys would do now.
func (p *Planner) PlanAdoption(ctx context.Context, want rotate.Domain, req rotate.Request,
	a rotate.Adoption) (rotate.DomainPlan, error) {
	have, err := p.State.Load(ctx, want.Name)
	if err != nil {
		return rotate.DomainPlan{}, err
	}
	have = follow.CaughtUp(want, have, a)
	return adoption.Plan(p.Clock.Now(), want, req, have, p.see(ctx, want, have), a), nil
}

func (p *Planner) observe(ctx context.Context, want rotate.Domain) (rotate.State, rotate.Observation, error) {
	have, err := p.State.Load(ctx, want.Name)
	if err != nil {
		return rotate.State{}, rotate.Observation{}, err
	}
	return have, p.see(ctx, want, have), nil
}

// see asks what there is for the domain in a state.
func (p *Planner) see(ctx context.Context, want rotate.Domain, have rotate.State) rotate.Observation {
	p.once.Do(p.gather)
	observe.Recall(have, p.Signers)
	ask := func(ctx context.Context, signer string) (rotate.SignerSeen, error) {
		if q := p.questions[signer]; q != nil {
			return q.Call(ctx, observe.Following(want, have))
		}
		return rotate.SignerSeen{}, observe.UnknownSigner(signer)
	}
	known := func(signer string) bool { return p.questions[signer] != nil }
	seen := observe.Parts{Keys: p.Keys, Look: p.Look, Knows: known, Ask: ask}.Domain(ctx, want, have)
	observe.Traits(&seen, want.Signers, p.Signers)
	return seen
}

// gather lets many domains that are planned at once ask a signer together.
func (p *Planner) gather() {
	p.questions = map[string]*observe.Questions{}
	for name, s := range p.Signers {
		p.questions[name] = observe.Ask(name, s)
	}
}
