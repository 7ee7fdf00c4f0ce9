package rotate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Queue tells which domains have something to do. Its cost follows what is due,
// not how many domains there are.
type Queue interface {
	// Due returns the domains whose next time to act has come.
	Due(ctx context.Context, now time.Time) ([]string, error)
	// Fingerprints returns for every stored domain the configuration that was
	// last acted upon (Domain.Fingerprint).
	Fingerprints(ctx context.Context) (map[string]string, error)
}

// Pending returns those of the domains that have something to do now: their time
// has come, they are new, or their configuration has changed.
func Pending(ctx context.Context, q Queue, now time.Time, domains []Domain) ([]Domain, error) {
	known, err := q.Fingerprints(ctx)
	if err != nil {
		return nil, err
	}
	due, err := dueSet(ctx, q, now)
	if err != nil {
		return nil, err
	}
	var out []Domain
	for _, d := range domains {
		if due[d.Name] || known[d.Name] != d.Fingerprint() {
			out = append(out, d)
		}
	}
	return out, nil
}

func dueSet(ctx context.Context, q Queue, now time.Time) (map[string]bool, error) {
	names, err := q.Due(ctx, now)
	due := make(map[string]bool, len(names))
	for _, n := range names {
		due[n] = true
	}
	return due, err
}

// Scheduler advances domains when their time has come, for as long as it runs,
// and looks after each of them now and then in between: a record may vanish, and
// a signer may come back from a backup, long before the next rotation is due.
type Scheduler struct {
	Engine  *Engine
	Queue   Queue
	Domains []Domain
	Log     *slog.Logger
	Inspect time.Duration // how often a domain is looked after when nothing is due; an hour when 0 or less
}

// Run works until ctx is done, and returns when every step in hand has ended. A
// domain that takes long or fails holds up no other, and what fails is tried
// again less and less often, also when the failure could not be noted in the state.
func (s *Scheduler) Run(ctx context.Context) error {
	clock := s.Engine.Clock
	s.Engine.turnstile.byTheHour()
	pending, err := Pending(ctx, s.Queue, clock.Now(), s.Domains)
	if ctx.Err() != nil {
		return nil // told to end before anything was begun
	}
	if err != nil {
		return err
	}
	due := make([]string, len(pending))
	for i, d := range pending {
		due[i] = d.Name
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for agenda := newAgenda(s.Domains, s.Inspect, clock.Now()); ; {
		for _, d := range agenda.take(clock.Now(), due) {
			wg.Go(func() {
				res := s.Engine.Advance(ctx, d)
				s.report(res, agenda.drop(clock.Now(), res))
			})
		}
		if err := clock.Sleep(ctx, agenda.nap(clock.Now())); err != nil {
			return nil
		}
		if due, err = s.Queue.Due(ctx, clock.Now()); err != nil && ctx.Err() == nil {
			s.Log.Error("can't tell what is due; trying again", "error", err, "hint", fault.HintOf(err))
		}
	}
}

// report logs what went wrong, with what to do about it.
func (s *Scheduler) report(r Result, next time.Time) {
	if r.Err == nil || errors.Is(r.Err, context.Canceled) {
		return
	}
	s.Log.Error("a domain could not be worked on", "domain", r.Domain, "error", r.Err, "hint", fault.HintOf(r.Err),
		"kind", fault.KindOf(r.Err).String(), "next_try", next.UTC().Format(time.RFC3339))
}
