// Package accounts makes one of the several DNS accounts that a domain can have, as while it moves from one DNS
// service to another: each record is published to all of them, and all of them are asked.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Publisher returns what puts records into every DNS account of a domain, for what is to stand at a selector. An
// account is written to only while holds returns no error: the process may be stopped between any two of them, and
// lose its lease (I8).
func Publisher(want rotate.Domain, known map[string]ports.Publisher, at dkim.Name,
	holds func() error) (ports.Publisher, error) {
	all := every{holds: holds}
	for _, name := range want.Accounts() {
		p := known[name]
		if p == nil {
			return nil, fault.Lasting(fmt.Sprintf("publish %s", at), fmt.Errorf("provider %q is unknown", name),
				"name a provider of the configuration")
		}
		all.accounts, all.names = append(all.accounts, p), append(all.names, name)
	}
	if len(all.accounts) == 1 {
		return all.accounts[0], nil
	}
	return all, nil
}

// every publishes to several DNS accounts. One that fails keeps no other from being written to.
type every struct {
	accounts []ports.Publisher
	names    []string
	holds    func() error
}

// Publish makes rec the only TXT record at its owner name, at each account.
func (e every) Publish(ctx context.Context, rec dkim.TXT) error {
	var errs []error
	var took, failed []string
	for i, p := range e.accounts {
		if err := e.holds(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if err := p.Publish(ctx, rec); err != nil {
			errs, failed = append(errs, err), append(failed, e.names[i])
			continue
		}
		took = append(took, e.names[i])
	}
	if len(took) == 0 || len(failed) == 0 {
		return errors.Join(errs...)
	}
	return divided(rec, strings.Join(took, ", "), strings.Join(failed, ", "), errors.Join(errs...))
}

// divided returns the error of a write that some accounts took and others did not: what each of them shows from now on
// decides which mail verifies.
func divided(rec dkim.TXT, took, failed string, err error) error {
	what := fmt.Sprintf("publish %s at every DNS account: %s took the record; %s did not confirm it, and may go on showing "+
		"what it did before", rec.Owner, took, failed)
	if dkim.RevokedValue(rec.Value) {
		what = fmt.Sprintf("revoke %s at every DNS account: %s took the revocation, so mail that is verified there fails; "+
			"%s did not confirm it, and may go on showing the key", rec.Owner, took, failed)
	}
	return &fault.Error{Kind: fault.KindOf(err), Code: fault.CodeOf(err), What: what, Err: err, Hint: fault.HintOf(err)}
}

// Of returns the DNS accounts of a domain among those that are known, as one preflight.Checker.
func Of[P any](want rotate.Domain, known map[string]P) preflight.Checker {
	var all asked
	for _, name := range want.Accounts() {
		all = append(all, known[name])
	}
	return all
}

// asked are several DNS accounts that are asked the same.
type asked []any

// Check returns the questions of all that can be asked.
func (a asked) Check(of []preflight.Subject) (questions []preflight.Question) {
	for _, account := range a {
		questions = append(questions, preflight.Of(account, of)...)
	}
	return questions
}
