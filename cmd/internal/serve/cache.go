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

// errReading says that the states are being read, and that there are none from before that are of use.
var errReading = errors.New("the states are being read for the first time, or again after a long while")

func newFleetCache(read func(context.Context) (Fleet, error), log *slog.Logger) *fleetCache {
	return &fleetCache{read: read, log: log}
}

// begin reads the fleet where what was read before is not good any more, and returns a channel that is closed when
// that is over; nil when nothing is being read.
func (c *fleetCache) begin() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began := time.Now(); c.reading == nil && !began.Before(c.until) {
		c.reading = make(chan struct{})
		go c.fresh(began, c.reading)
	}
	return c.reading
}

// ofUse reports whether there is something to answer with while the states are read again.
func (c *fleetCache) ofUse(now time.Time) bool { return c.err == nil && now.Sub(c.at) < stillOfUse }

// get returns the fleet as it was at a time. It must not be changed. Where there is nothing of use to answer with, it
// waits for the reading under way until longest, and then returns errReading.
func (c *fleetCache) get(longest time.Duration) (Fleet, time.Time, error) {
	over, began := c.begin(), time.Now()
	c.mu.Lock()
	wait := longest
	if c.ofUse(began) {
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
	if c.err == nil && c.reading != nil && !c.ofUse(began) {
		return Fleet{}, began, errReading
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
		c.log.Error("can't read the state for metrics and status", "error", err)
	}
}
