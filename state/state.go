package state

import (
	"context"
	"iter"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Lister answers for many domains at once.
type Lister interface {
	// List yields the state of every stored domain, ordered by name. After an
	// error it yields no more.
	List(ctx context.Context) iter.Seq2[rotate.State, error]
	// Several returns the states of the domains, in their order, as they stood at one instant: with one
	// question, where Load asks one for each. A domain that was never stored is new.
	Several(ctx context.Context, domains []string) ([]rotate.State, error)
	// Fingerprints returns State.Config of every stored domain without reading
	// the states.
	Fingerprints(ctx context.Context) (map[string]string, error)
	// Due returns the domains whose time to act has come at now (see NextAt),
	// longest due first. It costs time in proportion to what it returns.
	Due(ctx context.Context, now time.Time) ([]string, error)
	// Looks returns the domains whose turn to be looked after has come at now,
	// longest due first. It costs time in proportion to what it returns.
	Looks(ctx context.Context, now time.Time) ([]string, error)
	// Failing returns the states of the domains whose last attempt failed, ordered
	// by name. It costs time in proportion to what it returns.
	Failing(ctx context.Context) ([]rotate.State, error)
}

// Historian says what was done.
type Historian interface {
	// History returns the last limit events of a domain, the newest last.
	// Domain "" means all domains; limit 0 means all events.
	History(ctx context.Context, domain string, limit int) ([]rotate.Event, error)
}

// Origin tells one history of states from another (I12).
type Origin interface {
	// Lineage returns the random UUID that was made together with the store,
	// or "" when there is no store.
	Lineage() string
	// PlanKey returns the secret that saved plans are signed with, made together with
	// the store or by the first Open that finds none. It is nil when there is no store, or
	// it was not opened for writing since. It is never shown.
	PlanKey() []byte
	// Exists reports whether there is a store at all. Without one every domain
	// reads as new, though keys and records may exist: that is lost state.
	Exists() bool
}

// Reader has no method that changes anything (I11).
type Reader interface {
	ports.StateReader
	Lister
	Historian
	Origin
	ports.QuotaReader
	ports.NameReader
	// Close closes the store. No other method may be called after it.
	Close() error
}

// Store keeps where every domain stands. All methods but Close are safe for
// concurrent use, and two processes may use the same store.
type Store interface {
	ports.Store
	ports.Quota
	ports.Names
	Reader
	// TakeLooks gives each of the domains whose turn to be looked after has come
	// at now its next turn (calendar.NextLook), and returns them in their order. Of several callers
	// one gets a turn. No state changes by it.
	TakeLooks(ctx context.Context, now time.Time, domains []string) ([]string, error)
}
