package providers

import (
	"context"
	"sync"
)

// turns lets a bounded number of calls run at a time, and one for each zone:
// name servers that take updates in parallel for one zone are slower than one
// after the other or, like Route 53, refuse the second. It is safe for concurrent use.
type turns struct {
	slots chan struct{}
	mu    sync.Mutex
	zones map[string]chan struct{}
}

func newTurns(parallel int) *turns {
	return &turns{slots: make(chan struct{}, parallel), zones: map[string]chan struct{}{}}
}

// enter waits for the zone's turn and then for a slot, so that a crowd at one
// zone doesn't keep the others out. leave must be called once.
func (t *turns) enter(ctx context.Context, zone string) (leave func(), err error) {
	t.mu.Lock()
	turn := t.zones[zone]
	if turn == nil {
		turn = make(chan struct{}, 1)
		t.zones[zone] = turn
	}
	t.mu.Unlock()

	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		<-turn
		return nil, ctx.Err()
	}
	return func() { <-t.slots; <-turn }, nil
}
