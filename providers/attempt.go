package providers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// retries decides whether, and when, to try again: as long as an error is transient and
// there is time left.
type retries struct {
	pace   *pace
	delays *backoff.ExponentialBackOff
	until  time.Time
}

func (p *Provider) retries() retries {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.Multiplier, delays.MaxInterval = p.backoff, 2, 30*time.Second
	delays.Reset()
	return retries{p.pace, delays, time.Now().Add(p.total)}
}

// after waits for the next attempt after one that ended with err, and reports whether to make it.
func (r retries) after(ctx context.Context, err error) bool {
	f := failureOf(err)
	if f.kind != fault.Transient || ctx.Err() != nil {
		return false
	}
	wait := r.delays.NextBackOff()
	if f.after > 0 {
		r.pace.pause(f.after)
		r.delays.Reset()
		wait = f.after
	}
	if time.Now().Add(wait).After(r.until) {
		return false
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// enter waits until a call may be made for zone.
func (p *Provider) enter(ctx context.Context, zone string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	leave, err = p.turns.enter(ctx, zone)
	if err != nil {
		return nil, fmt.Errorf("wait for earlier calls to end: %w", err)
	}
	if err := p.pace.wait(ctx, p.account.current().Cost(zone), p.total); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// call makes one attempt and gives it up after p.timeout, whatever the adapter
// does. An attempt that was given up keeps its turn until it has returned: a
// later one for the zone must not be overtaken by it.
func (p *Provider) call(ctx context.Context, rec dkim.TXT, ask asking, leave func()) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTooSlow)
	defer cancel()
	done := make(chan error, 1)
	go p.set(ctx, rec, ask, leave, done)
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done: // at the last moment
		default:
			err = ctx.Err()
		}
	}
	if err != nil && context.Cause(ctx) == errTooSlow {
		return transient(fmt.Errorf("no answer within %s: %w", p.timeout, err),
			"check that the provider can be reached; the record may have been changed nevertheless")
	}
	return err
}

var errTooSlow = errors.New("the call took too long")

// asking is a question to an adapter about a record; nil is none: then the record is set.
type asking func(context.Context, Adapter, dkim.TXT) error

// set lets the adapter write, or ask, and keeps its turn until it has. Where the service does not accept the
// credentials and there are others by now, it does so once more with those.
func (p *Provider) set(ctx context.Context, rec dkim.TXT, ask asking, leave func(), done chan<- error) {
	var err error
	defer func() { done <- err; leave() }()
	defer caught(&err)
	for again := false; ; again = true {
		adapter := p.account.current()
		if again && p.pace.wait(ctx, adapter.Cost(rec.Zone), p.total) != nil {
			return
		}
		if ask == nil {
			err = adapter.Set(ctx, rec)
		} else {
			err = ask(ctx, adapter, rec)
		}
		if f := (*failure)(nil); again || !errors.As(err, &f) || !f.login || !p.account.renew(ctx, adapter) {
			return
		}
	}
}

// caught, deferred, makes an error of a panic of a module, such as one about an answer that it
// did not expect.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = permanent(fmt.Errorf("the provider's module panicked: %v", r),
			"this is a fault of the module; report it with this message")
	}
}
