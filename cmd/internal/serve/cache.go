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

	reading chan struct{} // closed when the reading under way is over; nil when there is none
}

// leastAge is how long what was read is used at least, and restFactor how many times as long as the
// reading took: whoever asks all the time costs a tenth of a processor at most.
const (
	leastAge   = 5 * time.Second
	restFactor = 10
	readTime   = time.Minute // for reading all states
)

// Who asks is answered with what was read before, where that is no older than stillOfUse and reading again takes longer
// than patience: on a busy host it takes a minute with very many domains.
const (
	patience   = 2 * time.Second
	stillOfUse = 15 * time.Minute
)

func newFleetCache(read func(context.Context) (Fleet, error), log *slog.Logger) *fleetCache {
	return &fleetCache{read: read, log: log}
}

// get returns the fleet as it was at a time. It must not be changed.
func (c *fleetCache) get() (Fleet, time.Time, error) {
	c.mu.Lock()
	began := time.Now()
	if c.reading == nil && !began.Before(c.until) {
		c.reading = make(chan struct{})
		go c.fresh(began, c.reading)
	}
	over := c.reading
	wait := 2 * readTime
	if c.err == nil && began.Sub(c.at) < stillOfUse {
		wait = patience
	}
	c.mu.Unlock()
	if over != nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-over:
		case <-timer.C:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() && c.err == nil {
		return Fleet{}, began, errors.New("the states are being read for the first time")
	}
	return c.fleet, c.at, c.err
}

// fresh reads the fleet. began is when that was asked for, and over is closed at the end.
func (c *fleetCache) fresh(began time.Time, over chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	fleet, err := c.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(over)
	c.until, c.reading = time.Now().Add(max(leastAge, restFactor*time.Since(began))), nil
	if errors.Is(err, context.Canceled) && !c.at.IsZero() { // the configuration is being read again
		return
	}
	if c.fleet, c.at, c.err = fleet, began, err; err != nil {
		c.log.Error("can't read the state for those who ask about the daemon", "error", err)
	}
}
