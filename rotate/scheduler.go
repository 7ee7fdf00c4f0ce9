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

// Scheduler advances domains when their time has come, for as long as it runs.
type Scheduler struct {
	Engine  *Engine
	Queue   Queue
	Domains []Domain
	Log     *slog.Logger
}

// longestNap is how long the scheduler sleeps at most: another process may have
// changed what is due, and the machine's clock may have been set.
const longestNap = 30 * time.Second

// Run works until ctx is done, and returns when every step in hand has ended.
// A domain that takes long or fails holds up no other.
func (s *Scheduler) Run(ctx context.Context) error {
	var (
		wg     sync.WaitGroup
		busy   = newBusy()
		byName = make(map[string]Domain, len(s.Domains))
	)
	defer wg.Wait()
	for _, d := range s.Domains {
		byName[d.Name] = d
	}
	pending, err := Pending(ctx, s.Queue, s.Engine.Clock.Now(), s.Domains)
	if err != nil {
		return err
	}
	for {
		for _, d := range pending {
			if !busy.take(d.Name) {
				continue
			}
			wg.Go(func() {
				defer busy.drop(d.Name)
				busy.next(s.report(s.Engine.Advance(ctx, d)))
			})
		}
		if err := s.Engine.Clock.Sleep(ctx, busy.nap(s.Engine.Clock.Now())); err != nil {
			return nil
		}
		if pending, err = s.due(ctx, byName); err != nil {
			s.Log.Error("can't tell what is due; trying again", "error", err)
		}
	}
}

func (s *Scheduler) due(ctx context.Context, byName map[string]Domain) ([]Domain, error) {
	names, err := s.Queue.Due(ctx, s.Engine.Clock.Now())
	var out []Domain
	for _, n := range names {
		if d, ok := byName[n]; ok {
			out = append(out, d)
		}
	}
	return out, err
}

// report logs what went wrong, with what to do about it, and returns when the
// domain wants to be looked at again.
func (s *Scheduler) report(r Result) time.Time {
	next := time.Time{}
	if r.State.Next != nil {
		next = r.State.Next.At
	}
	if r.Err == nil {
		return next
	}
	if next.IsZero() {
		next = s.Engine.Clock.Now().Add(longestNap)
	}
	if !errors.Is(r.Err, context.Canceled) {
		s.Log.Error("a domain could not be worked on", "domain", r.Domain, "error", r.Err, "hint", fault.HintOf(r.Err),
			"kind", fault.KindOf(r.Err).String(), "next_try", next.UTC().Format(time.RFC3339))
	}
	return next
}

// busy knows which domains are being worked on and when the next one wants to be.
type busy struct {
	mu    sync.Mutex
	names map[string]bool
	wake  time.Time
}

func newBusy() *busy { return &busy{names: map[string]bool{}} }

func (b *busy) take(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names[name] {
		return false
	}
	b.names[name] = true
	return true
}

func (b *busy) drop(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.names, name)
}

func (b *busy) next(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !t.IsZero() && (b.wake.IsZero() || t.Before(b.wake)) {
		b.wake = t
	}
}

// nap returns how long to sleep: until the next known time, a second at least,
// longestNap at most.
func (b *busy) nap(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	nap := longestNap
	if !b.wake.IsZero() {
		nap = min(nap, b.wake.Sub(now))
	}
	if len(b.names) > 0 {
		nap = min(nap, time.Second) // a result may come with an earlier time
	}
	if b.wake.Before(now) {
		b.wake = time.Time{}
	}
	return max(nap, time.Second)
}
