package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// deaf fails as stores do that notice first that nobody waits any more.
type deaf struct {
	ports.Store
	loads int
	stop  context.CancelFunc
}

func (d *deaf) Load(ctx context.Context, domain string) (rotate.State, error) {
	if d.loads--; d.loads < 0 {
		d.stop()
		return rotate.State{}, fault.Temporary("load the state of "+domain, ctx.Err(), "try again")
	}
	return d.Store.Load(ctx, domain)
}

// A run that is told to end fails at nothing, whoever notices first; and it still
// says where the domain stands, and that a wish is yet to be fulfilled.
func TestInterruptionIsNoFailure(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	ctx, stop := context.WithCancel(context.Background())
	parts := w.engine().Parts
	parts.Store = &deaf{parts.Store, 1, stop}
	parts.Failed = func(e rotate.Event, err error) { t.Errorf("a failure is told: %+v, %v", e, err) }
	res := newEngine(parts).Settle(ctx, d, forever, nil)
	if !errors.Is(res.Err, context.Canceled) || errors.As(res.Err, new(*fault.Error)) ||
		res.State.Phase != rotate.Bootstrapping || len(res.Done) == 0 {
		t.Errorf("it ended with %v, in phase %s, after %d steps", res.Err, res.State.Phase, len(res.Done))
	}
	w, d = newWorld(t, "mx1"), wanted("mx1")
	d.Asked = true
	ctx, stop = context.WithCancel(context.Background())
	parts = w.engine().Parts
	parts.Store = &deaf{parts.Store, 0, stop}
	if res := newEngine(parts).Settle(ctx, d, forever, nil); !errors.Is(res.Err, context.Canceled) || !res.YetToBegin() {
		t.Errorf("it ended with %v, and the rotation that was asked for is yet to begin: %v", res.Err, res.YetToBegin())
	}
}
