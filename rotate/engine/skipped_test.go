package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/lease"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// still is a clock that stands, and free a store whose leases nobody has.
type (
	still struct{}
	free  struct{ ports.Store }
)

func (still) Now() time.Time                                   { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
func (still) Elapsed() time.Duration                           { return 0 }
func (still) Sleep(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }

func (free) Acquire(context.Context, ports.LeaseRequest) (ports.Lease, error) {
	return ports.Lease{}, nil
}

// TestSkippedStep: a step for which nothing is left to do is reported as skipped, and not as done.
func TestSkippedStep(t *testing.T) {
	held, err := (&lease.Keeper{Store: free{}, Clock: still{}}).Take(t.Context(), "example.com", lease.Asked{})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []rotate.Kind{rotate.Revoke, rotate.Destroy} {
		var said []codes.Outcome
		e := &Engine{Parts: Parts{Clock: still{}, Notify: func(e rotate.Event) { said = append(said, e.Outcome) }}}
		r := &run{engine: e, lease: held, st: rotate.State{Domain: "example.com"}}
		err := r.steps(t.Context(), []rotate.Step{{Kind: kind, Selector: "s1"}})
		if want := []codes.Outcome{codes.OutcomeBegun, codes.OutcomeSkipped}; err != nil || !slices.Equal(said, want) {
			t.Errorf("%s: %v, said %q, want %q", kind, err, said, want)
		}
	}
}
