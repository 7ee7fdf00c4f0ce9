package providers

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// checker is an adapter that can be asked beforehand.
type checker interface {
	// Check returns why rec could not be published; it changes nothing, whatever the service answers.
	Check(ctx context.Context, rec dkim.TXT) error
}

// writer is an adapter that writes files of this machine.
type writer interface {
	// MayWrite returns why this process could not write what publishes rec.
	MayWrite(ctx context.Context, rec dkim.TXT) error
}

func checks(ctx context.Context, a Adapter, rec dkim.TXT) error { return a.(checker).Check(ctx, rec) }

func mayWrite(ctx context.Context, a Adapter, rec dkim.TXT) error {
	return a.(writer).MayWrite(ctx, rec)
}

// Check says what is to be asked before the next record: whether the account may change the record of
// each domain.
func (p *Provider) Check(of []preflight.Subject) (all []preflight.Question) {
	_, asks := p.account.current().(checker)
	_, files := p.account.current().(writer)
	if !asks {
		return nil
	}
	for _, domain := range preflight.Domains(of) {
		question := func(what string, rights bool, ask asking) {
			all = append(all, preflight.Question{What: what, Domains: []string{domain}, Rights: rights, Disk: rights,
				Ask: func(ctx context.Context) error { return p.checkAll(ctx, ask, domain, of) }})
		}
		question("right to change key records", false, checks)
		if files {
			question("right to write the zone's file", true, mayWrite)
		}
	}
	return all
}

// checkAll asks about each of the domain's selectors: a key may be allowed to change one name alone.
func (p *Provider) checkAll(ctx context.Context, ask asking, domain string, of []preflight.Subject) error {
	for _, s := range of {
		if s.Domain != domain {
			continue
		}
		if s.Zone == "" { // it was not found
			return preflight.ErrUnasked
		}
		rec := dkim.TXT{Zone: s.Zone, Owner: s.Owner, TTL: time.Hour, Value: "dkimbot-check=" + rand.Text()}
		if err := p.check(ctx, ask, rec); err != nil {
			return err
		}
	}
	return nil
}

// check makes one attempt, in its turn and as slowly as the service wants it.
func (p *Provider) check(ctx context.Context, ask asking, rec dkim.TXT) error {
	err := acceptable(rec)
	if err == nil {
		var leave func()
		if leave, err = p.enter(ctx, rec.Zone); err == nil {
			err = p.call(ctx, rec, ask, leave)
		}
	}
	if err == nil {
		return nil
	}
	err = p.fault("check the right to change", rec, err)
	if fault.KindOf(err) == fault.Permanent {
		return preflight.Coded(codes.NotAllowed, err)
	}
	return err
}

// accepted is the failure of a service that does what it should have refused.
func accepted() *failure {
	return permanent(errors.New("the service accepted a test change that it should have refused"),
		"look at the zone's records at the service, and report this as a defect")
}
