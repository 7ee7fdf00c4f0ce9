package batch

import "context"

// Places limits how many do something at once.
type Places chan struct{}

// Take waits for a place, until ctx is done.
func (p Places) Take(ctx context.Context) error {
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave gives a place to another.
func (p Places) Leave() { <-p }
