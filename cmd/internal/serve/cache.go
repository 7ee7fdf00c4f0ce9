package serve

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// fleetCache reads where the domains stand for all who ask, and not again for each. It is safe for
// concurrent use.
type fleetCache struct {
	read func(context.Context) (Fleet, error)
	log  *slog.Logger

	mu    sync.Mutex
	fleet Fleet
	at    time.Time // when it was read; zero: never
	err   error
	until time.Time // what was read, or that it could not be, is good until then
}

// leastAge is how long what was read is used at least, and restFactor how many times as long as the
// reading took: whoever asks all the time costs a tenth of a processor at most.
const (
	leastAge   = 5 * time.Second
	restFactor = 10
	readTime   = time.Minute // for reading all states
)

func newFleetCache(read func(context.Context) (Fleet, error), log *slog.Logger) *fleetCache {
	return &fleetCache{read: read, log: log}
}

// get returns the fleet as it was at a time. It must not be changed.
func (c *fleetCache) get() (Fleet, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began := time.Now(); !began.Before(c.until) {
		c.fresh(began)
		c.until = time.Now().Add(max(leastAge, restFactor*time.Since(began)))
	}
	return c.fleet, c.at, c.err
}

func (c *fleetCache) fresh(now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	fleet, err := c.read(ctx)
	if errors.Is(err, context.Canceled) && !c.at.IsZero() { // the configuration is being read again
		return
	}
	if c.fleet, c.at, c.err = fleet, now, err; err != nil {
		c.log.Error("can't read the state for those who ask about the daemon", "error", err)
	}
}
