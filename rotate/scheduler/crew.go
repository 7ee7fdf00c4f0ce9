package scheduler

import (
	"context"
	"sync"
)

// mostBegun is of how many domains the work has begun at most. More would wait for the engine, each with a stack of its
// own: after a start, or an hour of standing still, all of 100,000 domains have their turn. It is far more than there
// are workers, because domains that wait for DNS count, too, and are to hold up no others.
const mostBegun = 10_000

// crew carries out pieces of work at the same time, up to a number.
type crew struct {
	work   sync.WaitGroup
	places chan struct{}
}

func newCrew(most int) *crew { return &crew{places: make(chan struct{}, most)} }

// begin begins a piece of work as soon as there is a place for it. It returns false when ctx is done before that.
func (c *crew) begin(ctx context.Context, work func()) bool {
	select {
	case c.places <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	c.work.Go(func() {
		defer func() { <-c.places }()
		work()
	})
	return true
}
