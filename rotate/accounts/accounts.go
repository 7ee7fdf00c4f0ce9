// Package accounts lets a domain have several DNS accounts, as while it moves from one DNS service to another. Each
// record is published to all of them, and before that all of them are asked whether they would take it.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Publisher returns what writes records to every DNS account of a domain; at is the selector that the caller writes
// for. Before each account holds is asked, and an error ends the write: a process that was stopped between two
// accounts may have lost its lease (I8).
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

// divided returns the error of a write that some accounts took and others did not. It names both, since from now on
// mail is verified by what each of them shows.
func divided(rec dkim.TXT, took, failed string, err error) error {
	hint := strings.TrimPrefix(fault.HintOf(err)+"; or, "+LeaveOut(failed), "; or, ")
	what := fmt.Sprintf("publish %s at every DNS account: %s took the record; %s did not confirm it, and may show "+
		"what it did before until a retry succeeds", rec.Owner, took, failed)
	revokes, foreign := dkim.RevokedValue(rec.Value), allForeign(err)
	switch {
	case revokes && foreign:
		what = fmt.Sprintf("revoke %s at every DNS account: %s took the revocation, so mail that is verified there fails; "+
			"%s holds a record that dkimbot did not make and was left as it is: where it shows the key, too, receivers accept it",
			rec.Owner, took, failed)
		hint = "find out who made that record, and remove it at " + failed + "; dkimbot revokes its own key there then"
	case revokes: // an account that shows a compromised key is not to be forgotten
		hint = fault.HintOf(err)
		what = fmt.Sprintf("revoke %s at every DNS account: %s took the revocation, so mail that is verified there fails; "+
			"%s did not confirm it, and may show the key until a retry succeeds", rec.Owner, took, failed)
	case foreign:
		what = fmt.Sprintf("publish %s at every DNS account: %s took the record; %s holds one that dkimbot did not make and "+
			"was left as it is", rec.Owner, took, failed)
	}
	if foreign {
		err = elsewhere{err}
	}
	return &fault.Error{Kind: fault.KindOf(err), Code: fault.CodeOf(err), What: what, Err: err, Hint: hint}
}

// elsewhere are the refusals of accounts at which somebody else's record stands, where all others took the write.
type elsewhere struct{ error }

// Unwrap returns the refusals.
func (e elsewhere) Unwrap() error { return e.error }

// OnlyForeign reports whether a write reached every account but those at which somebody else's record stands.
func OnlyForeign(err error) bool {
	e := elsewhere{}
	return errors.As(err, &e)
}

// allForeign reports whether all of the joined errors say that somebody else's record stands there.
func allForeign(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	return ok && !slices.ContainsFunc(joined.Unwrap(), func(err error) bool {
		return fault.CodeOf(err) != codes.ForeignRecord || fault.KindOf(err) != fault.Refused
	})
}

// LeaveOut says how a domain gets on without a DNS account that fails while the zone is moved to it.
func LeaveOut(account string) string {
	return "where the zone is not delegated to the servers of " + account + " yet, take it out of the domain's providers " +
		"until it works: resolvers do not ask it"
}

// Of returns one preflight.Checker for all DNS accounts of a domain. known has the accounts by name; one that can't be
// asked is left out.
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
