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

// publish tries until rec stands, an error is not transient, or time is up. The
// queue for the first attempt is bounded by the caller's ctx alone: waiting for
// others is no failure of the provider.
func (p *Provider) publish(ctx context.Context, rec dkim.TXT) error {
	leave, err := p.enter(ctx, rec.Zone)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, p.total)
	defer cancel()

	var last error
	attempt := func() (struct{}, error) {
		if leave == nil {
			if leave, err = p.enter(bounded, rec.Zone); err != nil {
				return struct{}{}, backoff.Permanent(err)
			}
		}
		last = p.call(bounded, rec, leave)
		leave = nil
		return struct{}{}, p.retryable(last)
	}
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.Multiplier, delays.MaxInterval = p.backoff, 2, 30*time.Second
	_, err = backoff.Retry(bounded, attempt, backoff.WithBackOff(delays), backoff.WithMaxElapsedTime(p.total))
	switch {
	case err == nil || last == nil:
		return err
	case ctx.Err() != nil && failureOf(last).kind == fault.Transient:
		return &failure{kind: fault.Transient, err: fmt.Errorf("%w; before that: %w", ctx.Err(), last)}
	}
	return last
}

// retryable tells backoff.Retry whether, and when, to try again.
func (p *Provider) retryable(err error) error {
	if err == nil {
		return nil
	}
	f := failureOf(err)
	switch {
	case f.kind != fault.Transient:
		return backoff.Permanent(err)
	case f.after > 0:
		p.pace.pause(f.after)
		return &backoff.RetryAfterError{Duration: f.after}
	}
	return err
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
	if err := p.pace.wait(ctx, p.adapter.Cost(zone), p.total); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// call makes one attempt and gives it up after p.timeout, whatever the adapter
// does. An attempt that was given up keeps its turn until it has returned: a
// later one for the zone must not be overtaken by it.
func (p *Provider) call(ctx context.Context, rec dkim.TXT, leave func()) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTooSlow)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer leave()
		done <- withoutPanic(func() error { return p.adapter.Set(ctx, rec) })
	}()
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
		return transient(fmt.Errorf("no answer within %s: %w", p.timeout, err), "check that the provider can be reached; the record may have been changed all the same")
	}
	return err
}

var errTooSlow = errors.New("the call took too long")

// withoutPanic turns a panic of a module, such as one about an answer that it
// did not expect, into an error.
func withoutPanic(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = permanent(fmt.Errorf("the provider's module panicked: %v", r), "this is a fault of the module; report it with this message")
		}
	}()
	return f()
}
