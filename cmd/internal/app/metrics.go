package app

import (
	"context"
	"maps"
	"os"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// soundTime is how long Ready waits until the whole state was read.
const soundTime = 5 * time.Second

// WithMetrics counts in m what is done.
func WithMetrics(m *serve.Metrics) Option { return func(a *App) { a.metrics = m } }

// counted counts and times the calls of the parts, where somebody wants that.
func (a *App) counted(parts engine.Parts) engine.Parts {
	m := a.metrics
	if m == nil {
		return parts
	}
	parts.Store, parts.Keys, parts.Look = m.Store(parts.Store), m.Keystore(parts.Keys), m.Looker(parts.Look)
	parts.Publishers, parts.Signers = maps.Clone(parts.Publishers), maps.Clone(parts.Signers)
	for name, p := range parts.Publishers {
		parts.Publishers[name] = m.Publisher(name, p)
	}
	for name, s := range parts.Signers {
		parts.Signers[name] = m.Signer(name, s)
	}
	return parts
}

// noted counts the engine's events, and passes them on to those who get them already.
func (a *App) noted(parts engine.Parts) engine.Parts {
	m := a.metrics
	if m == nil {
		return parts
	}
	step, failed, stored := parts.Notify, parts.Failed, parts.Stored
	parts.Notify = func(e rotate.Event) { m.Step(e); step(e) }
	parts.Failed = func(e rotate.Event, err error) { m.Failed(e, err); failed(e, err) }
	parts.Stored = func(before, after rotate.State) { m.Stored(before, after); stored(before, after) }
	return parts
}

// Fleet returns where all domains stand.
func (a *App) Fleet(ctx context.Context) (serve.Fleet, error) {
	if _, err := os.Stat(a.Config.State.Path); err != nil {
		return serve.Fleet{}, err
	}
	fleet, now := serve.Fleet{States: make([]rotate.State, 0, len(a.Domains))}, time.Now()
	for st, err := range each(ctx, a.State, namesOf(a.Domains)) {
		if err != nil {
			return serve.Fleet{}, err
		}
		leaveOut(st)
		fleet.Add(st, now)
	}
	var err error
	fleet.Unlisted, err = a.Unlisted(ctx)
	return fleet, err
}

// leaveOut drops of a state what neither metrics nor pages show: they are kept between two questions, and the key
// records of 100,000 domains take 100 MB. The state was read for this alone.
func leaveOut(st rotate.State) {
	for _, s := range st.Selectors {
		for _, k := range []*rotate.Key{s.Key, s.Next} {
			if k != nil {
				k.Record = ""
			}
		}
		s.Tried, s.Past, s.Retired = nil, nil, nil
	}
}

// Ready returns why the daemon can't do its work; nil if it can: the state stands where it was opened, answers, and
// is intact.
func (a *App) Ready(ctx context.Context) error {
	store, isFile := a.State.(interface {
		InPlace() error
		Intact(context.Context) error
	})
	if isFile {
		if err := store.InPlace(); err != nil { // this is cheap, and not remembered as Intact is
			return err
		}
	}
	if _, err := a.State.Due(ctx, time.Unix(0, 0)); err != nil || !isFile {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, soundTime)
	defer cancel()
	return a.sound.Verdict(ctx, store.Intact)
}
