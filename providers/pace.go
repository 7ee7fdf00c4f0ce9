package providers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// pace keeps the calls to an account below its rate, and away from it while it
// asks to be left alone. It is safe for concurrent use.
type pace struct {
	limiter *rate.Limiter
	mu      sync.Mutex
	until   time.Time
	waited  time.Duration // since it was last asked
}

func newPace(perSecond float64, burst int) *pace {
	if perSecond == 0 {
		return &pace{limiter: rate.NewLimiter(rate.Inf, 0)}
	}
	return &pace{limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// pause keeps calls away from the account for d.
func (p *pace) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
}

// wait returns when n calls may be made. A pause that is longer than patience
// is not waited for.
func (p *pace) wait(ctx context.Context, n int, patience time.Duration) error {
	defer p.count(time.Now())
	for d := p.paused(); d > 0; d = p.paused() {
		if d > patience {
			f := transient(fmt.Errorf("the account is rate limited for another %s", calendar.Span(d.Round(time.Second))),
				"wait until the limit has passed; it counts for everything that uses the account")
			f.after = d
			return f
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range n { // one by one: a burst smaller than n must not be an error
		if err := p.limiter.Wait(ctx); err != nil {
			return fmt.Errorf("wait for the account's rate limit: %w", err)
		}
	}
	return nil
}

// count adds a wait that began at the time.
func (p *pace) count(began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waited += time.Since(began)
}

// takeWaited returns how long calls have waited since it was last asked.
func (p *pace) takeWaited() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.waited
	p.waited = 0
	return d
}

// paused returns for how long the account is still to be left alone.
func (p *pace) paused() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}
