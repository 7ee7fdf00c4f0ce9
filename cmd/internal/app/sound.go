package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

// soundFor is how long a look at the whole state counts. To read it all takes seconds where there are very many
// domains, and whoever asks whether the daemon is ready may ask every second.
const soundFor = time.Minute

// soundTime is how long an answer waits for a look at the whole state.
const soundTime = 5 * time.Second

// soundness remembers whether the state was found sound. It is safe for concurrent use.
type soundness struct {
	mu    sync.Mutex
	at    time.Time     // when it was found sound last
	asked chan struct{} // closed when the look under way is over; nil when there is none
	found error
}

// verdict returns why the state is not sound, from a look that is at most soundFor old. One that takes longer than
// ctx allows continues; until it is over the one before it counts.
func (s *soundness) verdict(ctx context.Context, look func(context.Context) error) error {
	s.mu.Lock()
	if s.asked == nil && time.Since(s.at) < soundFor {
		defer s.mu.Unlock()
		return s.found
	}
	if s.asked == nil {
		s.asked = make(chan struct{})
		go s.look(context.WithoutCancel(ctx), look, s.asked)
	}
	over := s.asked
	s.mu.Unlock()
	select {
	case <-over:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil && s.at.IsZero() {
		return errors.New("the state is being read for the first time")
	}
	return s.found
}

func (s *soundness) look(ctx context.Context, look func(context.Context) error, over chan struct{}) {
	found := look(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found, s.asked = found, nil; found == nil {
		s.at = time.Now()
	} else {
		s.at = time.Time{} // the next one looks again: it may be right by then
	}
	close(over)
}
