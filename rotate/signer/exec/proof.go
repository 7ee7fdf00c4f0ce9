package exec

import (
	"context"
	"fmt"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// A command can say what it likes. Where what signs is a milter, a message shows what it really signs with.

// seen puts what the milter signs with in the place of what the command said. The command's key id stays
// where both name the same selector: a signature does not tell which key made it.
func (s *Signer) seen(ctx context.Context, domains []string, said map[string]dkim.Ref) (map[string]dkim.Ref, error) {
	socket := milter.At(s.cfg.Milter)
	if socket.None() {
		return said, nil
	}
	var mu sync.Mutex
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	what := fmt.Sprintf("ask the milter at %s what it signs with (signer %s)", s.cfg.Milter, s.cfg.Name)
	silent, down := socket.Ask(ctx, domains, func(a milter.Answer) {
		mu.Lock()
		defer mu.Unlock()
		switch selectors := a.Selectors(); {
		case len(selectors) > 1:
			failed[a.Domain] = fault.Lasting(what, fmt.Errorf("it signs %s with the selectors %s and %s", a.Domain,
				selectors[0], selectors[1]), "let it sign with one")
		case len(selectors) == 1 && said[a.Domain].Selector == selectors[0]:
			active[a.Domain] = said[a.Domain]
		case len(selectors) == 1:
			active[a.Domain] = dkim.Ref{Name: dkim.Name{Domain: a.Domain, Selector: selectors[0]}}
		}
	})
	for _, domain := range silent {
		failed[domain] = s.silent(ctx, what, down)
	}
	return active, signer.Partial(failed, len(domains))
}

func (s *Signer) silent(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fault.Temporary(what, context.Cause(ctx), "run it again; it was interrupted, or its time ran out")
	}
	return fault.Temporary(what, fmt.Errorf("it does not answer: %w", err),
		"see whether it runs and whether milter in the configuration is its socket")
}

// prove asks the milter about the domains that the command has confirmed, for as long as a run of the command may take.
func (s *Signer) prove(ctx context.Context, asked map[string]dkim.SigningKey, failed map[string]error) error {
	socket := milter.At(s.cfg.Milter)
	if socket.None() {
		return nil
	}
	var wants []milter.Want
	for domain, k := range asked {
		if failed[domain] != nil {
			continue
		}
		key, err := publicKey(k)
		if err != nil {
			failed[domain] = fault.Lasting(s.what(k.Name), err, "report this as a defect")
			continue
		}
		wants = append(wants, milter.Want{Name: k.Name, Key: key})
	}
	doubts := socket.Prove(ctx, wants, s.cfg.Timeout)
	if len(doubts) > 0 && ctx.Err() != nil {
		return fault.Temporary("prove the switch on signer "+s.cfg.Name, context.Cause(ctx),
			"run again: what is not proved yet will be")
	}
	for domain, f := range doubts {
		failed[domain] = fault.Temporary(
			fmt.Sprintf("prove that the milter at %s signs with %s (signer %s)", s.cfg.Milter, asked[domain].Name, s.cfg.Name),
			f.Err, fmt.Sprintf("see whether the command %q makes this milter switch, and how long that takes; "+
				"timeout bounds the wait for it, too", s.cfg.Command[0]))
	}
	return nil
}

// publicKey returns the public half of a key that is to sign.
func publicKey(k dkim.SigningKey) (dkim.PublicKey, error) {
	if k.Key != nil {
		return k.Key.Public(), nil
	}
	record, err := dkim.ParseRecord(k.Record)
	return record.Key, err
}
