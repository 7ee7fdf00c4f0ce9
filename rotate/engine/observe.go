package engine

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/foresight"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Planner looks and plans. It holds nothing that could change anything (I11).
// It is safe for concurrent use.
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

	once      sync.Once
	questions map[string]*batch.Calls[dkim.SigningKey, rotate.SignerSeen]
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
	made := plan.Plan(now, want, req, after, seen)
	if _, leaked := req.Instruction.(rotate.Compromised); leaked && err == nil {
		made = forecast.Emergency(now, want, req, after, seen, p.lags())
	}
	if err != nil {
		made.Stop, made.Steps, made.Next = err, nil, nil
	}
	made = foresight.Parts{Keys: p.Keys, Account: accounts.Of(want, p.Accounts), Switches: p.BeforeSwitches}.
		Foreseen(ctx, want, after, made)
	made.Basis, made.Ordered = basis, append(renamed, events...)
	maps.Copy(made.Seen.Selectors, before) // what is there where the instruction is yet to be obeyed
	return made, have, nil
}

// PlanAdoption observes the domain and says what adopting the keys would do now.
func (p *Planner) PlanAdoption(ctx context.Context, want rotate.Domain, req rotate.Request,
	a rotate.Adoption) (rotate.DomainPlan, error) {
	have, seen, err := p.observe(ctx, want)
	if err != nil {
		return rotate.DomainPlan{}, err
	}
	return adoption.Plan(p.Clock.Now(), want, req, have, seen, a), nil
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
	ask := func(ctx context.Context, signer string) (rotate.SignerSeen, error) {
		if q := p.questions[signer]; q != nil {
			return q.Call(ctx, health.Following(want, have))
		}
		return rotate.SignerSeen{}, unknownSigner(signer)
	}
	seen := observe.Domain(ctx, want, have, p.Keys, p.Look,
		func(signer string) bool { return p.questions[signer] != nil }, ask)
	seen.Fetchers, seen.Unmixed = fetchers(want.Signers, p.Signers), unmixed(want.Signers, p.Signers)
	seen.Probed = probed(want.Signers, p.Signers)
	return seen
}

// fetchers says which of the signers fetch private keys themselves.
func fetchers[S ports.SignerReader](names []string, signers map[string]S) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		f, ok := any(signers[name]).(ports.Fetcher)
		out[name] = ok && f.Fetches()
	}
	return out
}

// unmixed says which of the signers sign with one algorithm, whatever the key is.
func unmixed[S ports.SignerReader](names []string, signers map[string]S) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		u, ok := any(signers[name]).(ports.Unmixed)
		out[name] = ok && u.Unmixed()
	}
	return out
}

// probed says of which signers the mail is looked at.
func probed[S ports.SignerReader](names []string, signers map[string]S) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		p, ok := any(signers[name]).(ports.Prober)
		out[name] = ok && p.Probes()
	}
	return out
}

// gather lets many domains that are planned at once ask a signer together.
func (p *Planner) gather() {
	p.questions = map[string]*batch.Calls[dkim.SigningKey, rotate.SignerSeen]{}
	for name, s := range p.Signers {
		p.questions[name] = questions(name, s)
	}
}

func unknownSigner(name string) error {
	return fault.Lasting("ask signer "+name, errors.New("there is no such signer"), "name a signer of the configuration")
}

// lags returns how long after its switch each signer has surely changed, where it says so.
func (p *Planner) lags() map[string]time.Duration {
	out := map[string]time.Duration{}
	for name, s := range p.Signers {
		if lagging, ok := s.(interface{ Lag() time.Duration }); ok {
			out[name] = lagging.Lag()
		}
	}
	return out
}
