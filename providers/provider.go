package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Provider publishes key records through one DNS account. It is safe for
// concurrent use.
type Provider struct {
	name    string
	driver  string
	account *account

	turns   *turns
	pace    *pace
	timeout time.Duration // of one call
	total   time.Duration // of one Publish, from its first call on
	backoff time.Duration // before the first retry
}

// Waited returns how long calls have waited for the account's limit since Waited was last called.
func (p *Provider) Waited() time.Duration { return p.pace.takeWaited() }

// New builds the provider of cfg. It reads the account's secrets and what the driver needs from
// this machine, such as AWS's shared files, and makes no call to the service. Errors are faults.
func New(ctx context.Context, cfg Config) (*Provider, error) {
	what := fmt.Sprintf("set up provider %s", cfg.Name)
	secrets, err := settings.ReadSecrets(cfg.Account)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(settings.Check(cfg.Account, secrets), settings.Check(&cfg.Limits, nil)); err != nil {
		return nil, fault.Lasting(what, err, "correct the configuration; 'dkimbot validate' shows where")
	}
	d := cfg.Account.Driver()
	p := &Provider{
		name:    cfg.Name,
		driver:  d.Name,
		turns:   newTurns(cmp.Or(cfg.Parallel, defaultParallel)),
		pace:    newPace(cmp.Or(cfg.Rate, d.Rate), max(d.Burst, 1)),
		timeout: cmp.Or(cfg.Timeout, d.Timeout, defaultTimeout),
		total:   cmp.Or(cfg.Total, defaultTotal),
		backoff: 500 * time.Millisecond,
		account: &account{of: cfg.Account, secrets: secrets, everRead: slices.Collect(maps.Values(secrets))},
	}
	if err = p.account.open(ctx, secrets); err != nil {
		f := failureOf(err)
		return nil, &fault.Error{Kind: f.kind, Code: f.code, What: what + " (" + d.Name + ")", Hint: f.hint,
			Err: p.withoutSecrets(err)}
	}
	return p, nil
}

// Publish makes rec the only TXT record at its owner. It is idempotent and does
// not wait until the record can be seen; errors are faults. After an error the
// record may have been changed all the same, unless the fault is Refused.
//
// A TTL that the service does not keep becomes the nearest that it does.
// Where rec says so it tries once.
func (p *Provider) Publish(ctx context.Context, rec dkim.TXT) (err error) {
	defer func() {
		if err != nil {
			err = p.fault("publish", rec, err)
		}
	}()
	if err := acceptable(rec); err != nil {
		return permanent(err, "nothing was sent; this value can't have come from a key record of dkimbot's own")
	}
	// The queue for the first attempt is bounded by the caller's ctx alone: waiting for
	// others is no failure of the provider.
	leave, err := p.enter(ctx, rec.Zone)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, p.total)
	defer cancel()
	var last error
	for again := p.retries(); ; {
		if last = p.call(bounded, rec, nil, leave); last == nil {
			return nil
		}
		if rec.Once || !again.after(bounded, last) {
			break
		}
		if leave, err = p.enter(bounded, rec.Zone); err != nil {
			break
		}
	}
	if ctx.Err() != nil && failureOf(last).kind == fault.Transient {
		return &failure{kind: fault.Transient, err: fmt.Errorf("%w; before that: %w", ctx.Err(), last)}
	}
	return last
}
