package ports

import (
	"context"
	"time"
)

// Queue says which domains have something to do. Its cost follows what is due,
// not how many domains there are.
type Queue interface {
	// Due returns the domains whose next time to act has come.
	Due(ctx context.Context, now time.Time) ([]string, error)
	// Looks returns the domains whose turn to be looked after has come (NextLook).
	// One that failed has none before its next try.
	Looks(ctx context.Context, now time.Time) ([]string, error)
	// Fingerprints returns for every stored domain the configuration that was
	// last acted upon (Domain.Fingerprint).
	Fingerprints(ctx context.Context) (map[string]string, error)
}

// WorkQueue is a Queue from which work is taken.
type WorkQueue interface {
	Queue
	// TakeLooks gives each of the domains whose turn to be looked after has come
	// its next turn, and returns them. Of several processes one gets a turn.
	TakeLooks(ctx context.Context, now time.Time, domains []string) ([]string, error)
}
