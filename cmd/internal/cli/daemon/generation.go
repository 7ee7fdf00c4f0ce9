package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/notify"
	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/rotate"
)

// generation is the parts of one configuration at work, for those who ask about them. Its methods
// are safe for concurrent use, also while it ends.
type generation struct {
	app     *app.App
	notices *notify.Notifier
	queue   *heartbeat

	living context.Context // done when it ends
	finish context.CancelFunc
	asking sync.RWMutex // held by those who ask, and for good by the end
}

func newGeneration(a *app.App) *generation {
	g := &generation{app: a, notices: a.Notifier, queue: &heartbeat{WorkQueue: a.Work, began: time.Now()}}
	g.living, g.finish = context.WithCancel(context.Background())
	return g
}

// end returns when all who asked have their answers; then the parts may be closed.
func (g *generation) end() {
	g.finish()
	g.asking.Lock()
}

// ask calls f while the parts are there, with a context that is done when they end. It returns
// context.Canceled when they have ended.
func (g *generation) ask(ctx context.Context, f func(context.Context) error) error {
	if !g.asking.TryRLock() {
		return context.Canceled
	}
	defer g.asking.RUnlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.living, cancel)()
	return f(ctx)
}

func (g *generation) fleet(ctx context.Context) (fleet serve.Fleet, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		fleet, err = g.app.Fleet(ctx)
		return err
	})
	return fleet, err
}

func (g *generation) history(ctx context.Context, domain string, limit int) (events []rotate.Event, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		events, err = g.app.State.History(ctx, domain, limit)
		return err
	})
	return events, err
}

func (g *generation) state(ctx context.Context, domain string) (st rotate.State, err error) {
	err = g.ask(ctx, func(ctx context.Context) error {
		st, err = g.app.State.Load(ctx, domain)
		return err
	})
	return st, err
}

func (g *generation) ready(ctx context.Context) error {
	return g.ask(ctx, g.app.Ready)
}
