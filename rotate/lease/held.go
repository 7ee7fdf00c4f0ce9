package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Held is a lease that this process holds, and renews until it is given back.
type Held struct {
	Lease   ports.Lease
	Watched bool // before it was taken
	keeper  *Keeper
	ctx     context.Context // ends, with the reason as its cause, before somebody else may have the lease
	lose    context.CancelCauseFunc
	stop    []func()

	abandoned bool

	renewing sync.Mutex    // held while the lease is renewed
	length   time.Duration // with which it is

	mu   sync.Mutex
	safe time.Duration // until when, by Clock.Elapsed, no other process can have it
}

// hold holds on to a lease that was asked for at asked.
func (k *Keeper) hold(lease ports.Lease, asked time.Duration, watched bool) *Held {
	g := &Held{Lease: lease, Watched: watched, keeper: k, length: ports.LeaseLength}
	g.ctx, g.lose = context.WithCancelCause(context.Background())
	g.Renewed(asked)
	// Apart from each other: a renewal may hang, with the disk that the state is on.
	g.stop = []func(){k.every(ports.LeaseBeat, func() { _ = g.Holds() }), k.every(ports.LeaseBeat, g.renew)}
	return g
}

// Renewed notes that the lease was renewed, by a request that was made at asked.
func (g *Held) Renewed(asked time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.safe = max(g.safe, asked+ports.LeaseSafe)
}

// renew renews the lease. When that fails it is tried again at the next beat, for as
// long as holds allows.
func (g *Held) renew() {
	ctx, cancel := context.WithTimeout(g.ctx, ports.LeaseSafe)
	defer cancel()
	g.renewing.Lock()
	defer g.renewing.Unlock()
	asked, l := g.keeper.Clock.Elapsed(), g.Lease
	l.TTL = g.length
	var err error
	func() {
		defer fault.Caught("renew the lease on "+g.Lease.Domain, &err)
		err = g.keeper.Store.Renew(ctx, l, g.keeper.Clock.Now())
	}()
	switch {
	case err == nil:
		g.Renewed(asked)
	case fault.CodeOf(err) == codes.LeaseLost:
		g.lose(err)
	}
}

// Holds returns an error when the lease may have been lost: no effect may begin then.
func (g *Held) Holds() error {
	g.mu.Lock()
	over := g.keeper.Clock.Elapsed() >= g.safe
	g.mu.Unlock()
	if over {
		g.lose(&fault.Error{Kind: fault.Transient, Code: codes.LeaseLost,
			What: fmt.Sprintf("work on %s: the lease could not be renewed within %s", g.Lease.Domain, calendar.Span(ports.LeaseSafe)),
			Hint: "dkimbot continues the work by itself; " +
				"this process was stopped for a while, or the state database could not be written: " +
				"look at the disk and its free space"})
	}
	return context.Cause(g.ctx)
}

// Passed reports whether somebody else may have the lease, or had it.
func (g *Held) Passed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fault.KindOf(context.Cause(g.ctx)) == fault.Refused || g.keeper.Clock.Elapsed() >= g.safe-ports.LeaseSafe+
		ports.LeaseLength
}

// Because returns err, with the loss of the lease as its reason if there was one.
func (g *Held) Because(err error) error {
	if lost := context.Cause(g.ctx); lost != nil && fault.CodeOf(err) != codes.LeaseLost {
		return errors.Join(lost, err)
	}
	return err
}

// Unhurried returns a context for an effect. Like ports.Unhurried, it
// outlives ctx; it ends when the lease may be lost.
func (g *Held) Unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, lose := context.WithCancelCause(ports.Patient(context.WithoutCancel(ctx), ctx))
	stop := context.AfterFunc(g.ctx, func() { lose(context.Cause(g.ctx)) })
	ctx, cancel := context.WithTimeout(ctx, ports.WorkTime)
	return ctx, func() { stop(); cancel(); lose(nil) }
}

// Release gives the lease back, unless it was abandoned; one that can't be given back is
// taken over by whoever has watched it for long enough.
func (g *Held) Release(ctx context.Context) {
	for _, stop := range g.stop {
		stop()
	}
	g.lose(context.Canceled)
	if g.abandoned {
		return
	}
	ctx, cancel := ports.Unhurried(ctx)
	defer cancel()
	_ = g.keeper.Store.Release(ctx, g.Lease)
}

// Abandon has the lease not given back when it is released: whoever takes it over learns that its owner left
// something undone. It is called by the one who releases it.
func (g *Held) Abandon() { g.abandoned = true }

// Lose notes that the lease is lost, by an error that says so.
func (g *Held) Lose(err error) { g.lose(err) }
