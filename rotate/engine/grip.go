package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// grip is a lease that this engine holds, and renews until it is given back.
type grip struct {
	engine  *Engine
	lease   rotate.Lease
	watched bool            // before it was taken
	ctx     context.Context // ends, with the reason as its cause, before somebody else may have the lease
	lose    context.CancelCauseFunc
	stop    []func()

	mu   sync.Mutex
	safe time.Duration // until when, by Clock.Elapsed, nobody else can have it
}

// grasp holds the lease on to; it was asked for at asked.
func (e *Engine) grasp(lease rotate.Lease, asked time.Duration, watched bool) *grip {
	g := &grip{engine: e, lease: lease, watched: watched}
	g.ctx, g.lose = context.WithCancelCause(context.Background())
	g.renewed(asked)
	// Apart from each other: a renewal may hang, with the disk that the state is on.
	g.stop = []func(){e.every(rotate.LeaseBeat, func() { _ = g.holds() }), e.every(rotate.LeaseBeat, g.renew)}
	return g
}

// renewed notes that the lease was renewed, by a request that was made at asked.
func (g *grip) renewed(asked time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.safe = max(g.safe, asked+rotate.LeaseSafe)
}

// renew renews the lease. When that fails it is tried again at the next beat, for as
// long as holds allows.
func (g *grip) renew() {
	ctx, cancel := context.WithTimeout(g.ctx, rotate.LeaseSafe)
	defer cancel()
	asked := g.engine.Clock.Elapsed()
	var err error
	func() {
		defer caught("renew the lease on "+g.lease.Domain, &err)
		err = g.engine.Store.Renew(ctx, g.lease, g.engine.Clock.Now())
	}()
	switch {
	case err == nil:
		g.renewed(asked)
	case fault.CodeOf(err) == rotate.LeaseLost:
		g.lose(err)
	}
}

// holds returns an error when the lease may have been lost: no effect may begin then.
func (g *grip) holds() error {
	g.mu.Lock()
	over := g.engine.Clock.Elapsed() >= g.safe
	g.mu.Unlock()
	if over {
		g.lose(&fault.Error{Kind: fault.Transient, Code: rotate.LeaseLost,
			What: fmt.Sprintf("work on %s: the lease could not be renewed within %s", g.lease.Domain, rotate.LeaseSafe),
			Hint: "the work is taken up again by itself; this process was stopped for a while, or the state database could not be written: look at the disk and its free space"})
	}
	return context.Cause(g.ctx)
}

// passed reports whether somebody else may have the lease, or had it.
func (g *grip) passed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fault.KindOf(context.Cause(g.ctx)) == fault.Refused || g.engine.Clock.Elapsed() >= g.safe-rotate.LeaseSafe+rotate.LeaseLength
}

// because returns err, with the loss of the lease as its reason if there was one.
func (g *grip) because(err error) error {
	if lost := context.Cause(g.ctx); lost != nil && fault.CodeOf(err) != rotate.LeaseLost {
		return errors.Join(lost, err)
	}
	return err
}

// unhurried returns a context for an effect. Like that of the function unhurried, it
// outlives ctx; it ends when the lease may be lost.
func (g *grip) unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(g.ctx, func() { lose(context.Cause(g.ctx)) })
	ctx, cancel := context.WithTimeout(ctx, rotate.WorkTime)
	return ctx, func() { stop(); cancel(); lose(nil) }
}

// release gives the lease back; one that can't be given back is taken over by whoever
// has watched it for long enough.
func (g *grip) release(ctx context.Context) {
	for _, stop := range g.stop {
		stop()
	}
	g.lose(context.Canceled)
	ctx, cancel := unhurried(ctx)
	defer cancel()
	_ = g.engine.Store.Release(ctx, g.lease)
}
