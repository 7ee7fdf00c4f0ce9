package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/foresight"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// publisher returns what puts records into every DNS account of a domain, for what is to stand at a selector. Each is
// asked only while the lease is held: this process may be stopped between any two of them (I8).
func (e *Engine) publisher(want rotate.Domain, at dkim.Name, holds func() error) (ports.Publisher, error) {
	all := everyAccount{holds: holds}
	for _, name := range want.Accounts() {
		p := e.Publishers[name]
		if p == nil {
			return nil, fault.Lasting(fmt.Sprintf("publish %s", at), fmt.Errorf("provider %q is unknown", name),
				"name a provider of the configuration")
		}
		all.accounts = append(all.accounts, p)
	}
	if len(all.accounts) == 1 {
		return all.accounts[0], nil
	}
	return all, nil
}

// everyAccount publishes to several DNS accounts. One that fails keeps no other from being written to.
type everyAccount struct {
	accounts []ports.Publisher
	holds    func() error
}

// Publish makes rec the only TXT record at its owner name, at each account.
func (all everyAccount) Publish(ctx context.Context, rec dkim.TXT) error {
	var errs []error
	for _, p := range all.accounts {
		if err := all.holds(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, p.Publish(ctx, rec))
	}
	return errors.Join(errs...)
}

// accountsOf returns what is asked of the DNS accounts of a domain: preflight.Checker, where they can be asked.
func accountsOf[P any](want rotate.Domain, accounts map[string]P) any {
	var all askedAccounts
	for _, name := range want.Accounts() {
		all = append(all, accounts[name])
	}
	return all
}

// askedAccounts asks several DNS accounts the same.
type askedAccounts []any

// Check returns the questions of all.
func (all askedAccounts) Check(of []preflight.Subject) (questions []preflight.Question) {
	for _, a := range all {
		questions = append(questions, preflight.Of(a, of)...)
	}
	return questions
}

// refusedFirst is what keeps a run from making the first key.
func (r *run) refusedFirst(ctx context.Context, steps []rotate.Step) error {
	return foresight.Parts{Keys: r.engine.Keys, Account: accountsOf(r.want, r.engine.Publishers),
		Signers: r.engine.Signers, Switches: r.engine.BeforeSwitches}.First(ctx, r.want, r.st, r.seen, steps)
}
