package rotate

import (
	"context"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Planner looks and plans. It holds nothing that could change anything (I11).
// It is safe for concurrent use.
type Planner struct {
	State   StateReader
	Keys    KeyReader
	Look    Looker
	Signers map[string]SignerReader
	Clock   Clock
}

// Plan observes the domain and says what would be done now. Only a state that
// can't be read is an error; everything else that is wrong is told in the plan.
func (p *Planner) Plan(ctx context.Context, want Domain) (DomainPlan, State, error) {
	have, err := p.State.Load(ctx, want.Name)
	if err != nil {
		return DomainPlan{}, State{}, err
	}
	ask := func(ctx context.Context, signer string) (dkim.Ref, error) {
		active, err := p.Signers[signer].Active(ctx, []string{want.Name})
		return active[want.Name], err
	}
	seen := observe(ctx, want, p.Keys, p.Look, ask)
	return Plan(p.Clock.Now(), want.asked(have), have, seen), have, nil
}

// observe asks DNS, the keystore and the signers what there is for one domain, all at once.
func observe(ctx context.Context, want Domain, keys KeyReader, look Looker, ask func(context.Context, string) (dkim.Ref, error)) Observation {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		seen = Observation{Selectors: map[string]SelectorSeen{}, Signers: map[string]SignerSeen{}}
	)
	for _, s := range want.Policy.Selectors {
		name := dkim.Name{Domain: want.Name, Selector: s}
		wg.Go(func() {
			var sel SelectorSeen
			sel.Sight, sel.SightErr = look.Look(ctx, name)
			key, version, err := keys.Get(ctx, name, 0)
			sel.Version, sel.KeyErr = version, err
			if key != nil {
				sel.KeyID = key.ID()
			}
			mu.Lock()
			defer mu.Unlock()
			seen.Selectors[s] = sel
		})
	}
	for _, signer := range want.Signers {
		wg.Go(func() {
			ref, err := ask(ctx, signer)
			mu.Lock()
			defer mu.Unlock()
			seen.Signers[signer] = SignerSeen{Ref: ref, Err: err}
		})
	}
	wg.Wait()
	return seen
}

// asked drops a person's wish for a rotation unless the domain is ready for one:
// otherwise the turn under way is carried on.
func (d Domain) asked(have State) Domain {
	d.Asked = d.Asked && have.Phase == Ready
	return d
}
