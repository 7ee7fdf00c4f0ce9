package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
)

// Unlisted returns the states of the domains that the configuration does not list
// and that were not released, ordered by name. They are reported and never touched.
func (a *App) Unlisted(ctx context.Context) ([]rotate.State, error) {
	return a.notListed(ctx, managed)
}

// Released returns the states of the domains that the configuration does not list, and that were released with their
// keys, ordered by name.
func (a *App) Released(ctx context.Context) ([]rotate.State, error) {
	return a.notListed(ctx, func(st rotate.State) bool { return !managed(st) && st.Released.Purged.IsZero() })
}

// notListed returns the states of the domains that the configuration does not list and that are wanted.
func (a *App) notListed(ctx context.Context, wanted func(rotate.State) bool) ([]rotate.State, error) {
	known, err := a.State.Fingerprints(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range a.Config.Domains {
		delete(known, d.Name)
	}
	var out []rotate.State
	for st, err := range each(ctx, a.State, slices.Sorted(maps.Keys(known))) {
		if err != nil {
			return nil, err
		}
		if wanted(st) {
			out = append(out, st)
		}
	}
	return out, nil
}

// managed reports whether dkimbot still has something to do for a domain: it was not released, or its purge is not
// finished.
func managed(st rotate.State) bool {
	r := st.Released
	return r == nil || r.Purge && r.Purged.IsZero()
}

// Left returns a domain that the state knows and the configuration does not list, with what is needed to release it.
// It returns false when there is none.
func Left(ctx context.Context, cfg *config.Config, name string) (rotate.Domain, bool, error) {
	_, unlisted, err := States(ctx, cfg, nil)
	for _, st := range unlisted {
		if st.Domain != name {
			continue
		}
		d := rotate.Domain{Name: name, Signers: slices.Sorted(maps.Keys(st.Signers)),
			Policy: rotate.Policy{Drain: 7 * 24 * time.Hour}}
		copy(d.Policy.Selectors[:], slices.Sorted(maps.Keys(st.Selectors)))
		return d, true, err
	}
	return rotate.Domain{}, false, err
}

// Waiting returns the states of the listed domains that failed and whose next try
// comes after now, ordered by name.
func (a *App) Waiting(ctx context.Context, now time.Time) ([]rotate.State, error) {
	failing, err := a.State.Failing(ctx)
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{}
	for _, d := range a.Config.Domains {
		listed[d.Name] = true
	}
	return slices.DeleteFunc(failing,
		func(st rotate.State) bool { return !listed[st.Domain] || !st.NextTry.After(now) }), nil
}
