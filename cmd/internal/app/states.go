package app

import (
	"context"
	"iter"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/state"
)

// readTogether is how many states are read with one question: many, since a question costs more than a state,
// and not all, since all states of a large fleet fill the memory.
const readTogether = 1000

// Stored is the state of a configuration, opened for reading alone. Close it when it is needed no more.
type Stored struct{ app *App }

// OpenStates opens the state.
func OpenStates(ctx context.Context, cfg *config.Config) (Stored, error) {
	a := &App{Config: cfg}
	var err error
	if a.State, err = a.openState(ctx); err != nil {
		return Stored{}, err
	}
	return Stored{a}, nil
}

// Close closes the state.
func (s Stored) Close() error { return s.app.Close() }

// Each yields where the domains stand, in their order. After an error it yields no more.
func (s Stored) Each(ctx context.Context, domains []rotate.Domain) iter.Seq2[rotate.State, error] {
	return each(ctx, s.app.State, namesOf(domains))
}

func namesOf(domains []rotate.Domain) []string {
	names := make([]string, len(domains))
	for i, d := range domains {
		names[i] = d.Name
	}
	return names
}

// Unlisted is App.Unlisted.
func (s Stored) Unlisted(ctx context.Context) ([]rotate.State, error) { return s.app.Unlisted(ctx) }

// each yields the states of the domains, some of which are read at once.
func each(ctx context.Context, from state.Reader, names []string) iter.Seq2[rotate.State, error] {
	return func(yield func(rotate.State, error) bool) {
		for some := range slices.Chunk(names, readTogether) {
			states, err := from.Several(ctx, some)
			if err != nil {
				yield(rotate.State{}, err)
				return
			}
			for _, st := range states {
				if !yield(st, nil) {
					return
				}
			}
		}
	}
}

// States returns where the domains stand, in their order, and the states of those
// that the configuration does not list.
func States(ctx context.Context, cfg *config.Config,
	domains []rotate.Domain) (states, unlisted []rotate.State, err error) {
	s, err := OpenStates(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	states = make([]rotate.State, 0, len(domains))
	for st, err := range s.Each(ctx, domains) {
		if err != nil {
			return nil, nil, err
		}
		states = append(states, st)
	}
	unlisted, err = s.Unlisted(ctx)
	return states, unlisted, err
}
