package state

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lookCounts is how long a look at the whole state counts. To read it all takes seconds where there are very many
// domains, and whoever asks whether the daemon is ready may ask every second.
const lookCounts = time.Minute

// LastLook remembers what the last look at the whole state found. It is safe for concurrent use.
type LastLook struct {
	Clock interface{ Now() time.Time }

	mu    sync.Mutex
	at    time.Time     // of the last look that found nothing wrong
	asked chan struct{} // closed when the look under way is over; nil when there is none
	found error
}

// Verdict returns what is wrong with the state, from a look that is at most a minute old. A look that takes longer
// than ctx allows continues; until it is over the one before it counts.
func (l *LastLook) Verdict(ctx context.Context, look func(context.Context) error) error {
	l.mu.Lock()
	if l.asked == nil && l.Clock.Now().Sub(l.at) < lookCounts {
		defer l.mu.Unlock()
		return l.found
	}
	if l.asked == nil {
		l.asked = make(chan struct{})
		go l.look(context.WithoutCancel(ctx), look, l.asked)
	}
	over := l.asked
	l.mu.Unlock()
	select {
	case <-over:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil && l.at.IsZero() {
		return errors.New("the state is being read for the first time")
	}
	return l.found
}

func (l *LastLook) look(ctx context.Context, look func(context.Context) error, over chan struct{}) {
	found := look(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found, l.asked = found, nil; found == nil {
		l.at = l.Clock.Now()
	} else {
		l.at = time.Time{} // the next one looks again: it may be right by then
	}
	close(over)
}
