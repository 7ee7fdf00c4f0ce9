package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Pending returns those of the domains that have something to do now: their time
// has come, they are new, their configuration has changed, or it is their turn to be looked after.
func Pending(ctx context.Context, q ports.Queue, now time.Time, domains []rotate.Domain,
	req rotate.Request) ([]rotate.Domain, error) {
	all := func(_ context.Context, _ time.Time, looks []string) ([]string, error) { return looks, nil }
	at, err := pending(ctx, q, now, domains, req, all)
	return picked(domains, at), err
}

// TakePending is Pending for someone who then works on the domains: no other process
// is given the turns to look after them.
func TakePending(ctx context.Context, q ports.WorkQueue, now time.Time, domains []rotate.Domain,
	req rotate.Request) ([]rotate.Domain, error) {
	at, err := pending(ctx, q, now, domains, req, q.TakeLooks)
	return picked(domains, at), err
}

func picked(domains []rotate.Domain, at []int) []rotate.Domain {
	out := make([]rotate.Domain, len(at))
	for i, n := range at {
		out[i] = domains[n]
	}
	return out
}

// pending returns where those that have something to do stand among the domains.
func pending(ctx context.Context, q ports.Queue, now time.Time, domains []rotate.Domain, req rotate.Request,
	take func(context.Context, time.Time, []string) ([]string, error)) ([]int, error) {
	known, err := q.Fingerprints(ctx)
	if err != nil {
		return nil, err
	}
	due, err := setOf(q.Due(ctx, now))
	if err != nil {
		return nil, err
	}
	looks, err := setOf(q.Looks(ctx, now))
	if err != nil {
		return nil, err
	}
	var mine []string
	for _, d := range domains {
		if looks[d.Name] {
			mine = append(mine, d.Name)
		}
	}
	if len(mine) > 0 {
		mine, err = take(ctx, now, mine)
	}
	looks, err = setOf(mine, err)
	if err != nil {
		return nil, err
	}
	overridden := req.Ignore != (rotate.Ignore{}) // the next time of a domain may be one that the limits put off
	var out []int
	for i, d := range domains {
		if due[d.Name] || looks[d.Name] || known[d.Name] != d.Fingerprint() || overridden {
			out = append(out, i)
		}
	}
	return out, nil
}

func setOf(names []string, err error) (map[string]bool, error) {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set, err
}

// Scheduler advances domains when their time has come, for as long as it runs,
// and looks after each of them now and then in between: a record may vanish, and
// a signer may come back from a backup, long before the next rotation is due.
type Scheduler struct {
	Engine  *engine.Engine
	Queue   ports.WorkQueue
	Domains []rotate.Domain
	Log     *slog.Logger
}

// Run works until ctx is done, and returns when every step in progress has ended. A
// domain that takes long or fails holds up no other, and what fails is tried
// again less and less often, also when the failure could not be noted in the state.
func (s *Scheduler) Run(ctx context.Context) error {
	clock := s.Engine.Clock
	s.Engine.CountByTheHour()
	pending, err := pending(ctx, s.Queue, clock.Now(), s.Domains, rotate.Request{}, s.Queue.TakeLooks)
	if ctx.Err() != nil {
		return nil // asked to end before anything was begun
	}
	if err != nil {
		return err
	}
	due := make([]string, len(pending))
	for i, at := range pending {
		due[i] = s.Domains[at].Name
	}
	crew := newCrew(mostBegun)
	defer crew.work.Wait()
	for agenda := newAgenda(s.Domains); ; {
		for _, d := range agenda.take(clock.Now(), due) {
			if !crew.begin(ctx, func() {
				began := clock.Now()
				res := s.Engine.Advance(ctx, engine.Task{Domain: d})
				s.report(res, agenda.drop(began, clock.Now(), res))
			}) {
				return nil
			}
		}
		if err := clock.Sleep(ctx, agenda.nap(clock.Now())); err != nil {
			return nil
		}
		if due, err = s.due(ctx, agenda, clock.Now()); err != nil && ctx.Err() == nil {
			s.Log.Error("can't find out what is due; trying again", "error", err, "hint", fault.HintOf(err))
		}
	}
}

// due returns the domains whose time to act has come, and those whose turn it is
// to be looked after.
func (s *Scheduler) due(ctx context.Context, a *agenda, now time.Time) ([]string, error) {
	due, err := s.Queue.Due(ctx, now)
	if err != nil {
		return nil, err
	}
	looks, err := s.Queue.Looks(ctx, now)
	if looks = a.free(now, looks); len(looks) > 0 && err == nil {
		looks, err = s.Queue.TakeLooks(ctx, now, looks)
	}
	return append(due, looks...), err
}

// report logs what went wrong, with what to do about it.
func (s *Scheduler) report(r engine.Result, next time.Time) {
	if r.Err == nil || errors.Is(r.Err, context.Canceled) {
		return
	}
	if fault.CodeOf(r.Err) == codes.LeaseHeld { // such as a person's command: nothing is wrong
		s.Log.Info("another process works on a domain", "domain", r.Domain, "message", r.Err,
			"next_try", next.UTC().Format(time.RFC3339))
		return
	}
	s.Log.Error("a domain could not be worked on", "domain", r.Domain, "error", r.Err, "hint", fault.HintOf(r.Err),
		"kind", fault.KindOf(r.Err).String(), "next_try", next.UTC().Format(time.RFC3339))
}
