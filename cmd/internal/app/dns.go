package app

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// looker has for each domain the verifier that its configuration asks for.
type looker map[string]*verify.Verifier

// Look returns what DNS shows at name.
func (l looker) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	v := l[name.Domain]
	if v == nil {
		return rotate.Sight{}, fault.Lasting("look up "+name.String(),
			errors.New("the configuration does not list "+name.Domain), "list it")
	}
	s, err := v.Look(ctx, name)
	return rotate.Sight{Zone: s.Zone, Owner: s.Owner, DNAME: s.DNAME, Values: s.Values, Wildcard: s.Wildcard,
		Complete: s.Complete, Silent: s.Silent, Lagging: s.Lagging, Shown: s.Shown, Bogus: s.Bogus, Chain: s.Chain,
		TTL: s.TTL, Negative: s.Negative, Asked: v.Asks(), Unchecked: s.Unchecked}, err
}

// newLooker shares a verifier between all domains that are looked up alike, since
// it remembers zones and servers.
func newLooker(cfg *config.Config) (looker, error) {
	l, shared := looker{}, map[string]*verify.Verifier{}
	for _, d := range cfg.Domains {
		key := fmt.Sprint(d.Verify)
		if shared[key] == nil {
			v, err := verify.New(verify.Config{Mode: verify.Mode(d.Verify.Mode), Nameservers: d.Verify.Nameservers,
				Resolvers: d.Verify.Resolvers})
			if err != nil {
				return nil, err
			}
			shared[key] = v
		}
		v := shared[key]
		if d.Zone != "" {
			var err error
			if v, err = v.InZone(d.Zone); err != nil {
				return nil, err
			}
		}
		l[d.Name] = v
	}
	return l, nil
}

// accounts returns the providers that domains use, each once.
func accounts(cfg *config.Config) (names []string) {
	used := map[string]bool{}
	for _, d := range cfg.Domains {
		for _, name := range d.Accounts() {
			if !used[name] {
				used[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// newPublishers makes the providers that domains use.
func newPublishers(ctx context.Context, cfg *config.Config) (map[string]ports.Publisher, error) {
	out := map[string]ports.Publisher{}
	for _, name := range accounts(cfg) {
		p, err := providers.New(ctx, cfg.Providers[name])
		if err != nil {
			return nil, err
		}
		out[name] = p
	}
	return out, nil
}

// newAccounts returns the providers, to be asked whether records can be published. One that can't be opened answers
// with the reason.
func newAccounts(ctx context.Context, cfg *config.Config) map[string]preflight.Checker {
	out := map[string]preflight.Checker{}
	for _, name := range accounts(cfg) {
		p, err := providers.New(ctx, cfg.Providers[name])
		if err != nil {
			out[name] = closed{err}
			continue
		}
		out[name] = p
	}
	return out
}

// closed stands for a part that can't be opened.
type closed struct{ why error }

// Check says that it can't be opened.
func (c closed) Check(of []preflight.Subject) []preflight.Question {
	return []preflight.Question{{What: "configuration", Domains: preflight.Domains(of),
		Ask: func(context.Context) error { return c.why }}}
}

// Listen answers for zone files where the configuration says so. An address that is
// taken already is left alone when shared is true: then another dkimbot, most
// likely the daemon, answers there from the same files.
func (a *App) Listen(shared bool) error {
	for _, p := range a.Config.Providers {
		files, ok := p.Account.(*providers.ZoneFile)
		if !ok || files.Listen == "" {
			continue
		}
		s, err := files.Serve(a.log)
		if shared && errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return err
		}
		a.closers = append(a.closers, s.Close)
	}
	return nil
}
