// Package app wires real parts to the heart as a configuration asks. It may
// import everything below cmd; nothing but the command line imports it.
package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/machine"
	"github.com/dkimbot/dkimbot/cmd/internal/notify"
	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/testmail"
	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// workers is how many domains are worked on at once: more than can be served, so
// that making keys never waits for the network.
const workers = 256

// App is the parts of one configuration. Engine and Notifier are nil when it was
// opened for reading only. Close it when it is needed no more.
type App struct {
	Config   *config.Config
	Domains  []rotate.Domain
	Planner  *engine.Planner
	Engine   *engine.Engine
	Queue    ports.Queue
	Quota    ports.QuotaReader
	Work     ports.WorkQueue // nil when it was opened for reading only
	State    state.Reader
	Lineage  string
	PlanKey  []byte // of the state, to sign plans with; nil when it was opened for work
	Notifier *notify.Notifier

	keyless func(error)    // WithoutKeystore
	vault   *vault.Store   // agents' documents are there; nil as long as none are asked for
	metrics *serve.Metrics // WithMetrics
	log     *slog.Logger
	sound   *state.LastLook
	closers []func() error
}

// Option changes how parts are wired.
type Option func(*App)

// WithLog logs what can't be found out otherwise; without it, that goes to standard error.
func WithLog(log *slog.Logger) Option { return func(a *App) { a.log = log } }

// Open wires everything for work, and answers for zone files where the
// configuration says so. notify hears of every step; it may be nil.
func Open(ctx context.Context, cfg *config.Config, notify func(rotate.Event), options ...Option) (*App, error) {
	a, err := Prepare(ctx, cfg, notify, options...)
	if err != nil {
		return nil, err
	}
	if err := a.Listen(true); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Prepare is Open without listening, so that the parts of a new configuration
// can be tried while the old ones still listen.
func Prepare(ctx context.Context, cfg *config.Config, notify func(rotate.Event),
	options ...Option) (_ *App, err error) {
	a := &App{Config: cfg, Domains: cfg.RotateDomains(), log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		sound: &state.LastLook{Clock: machine.Clock{}}}
	for _, o := range options {
		o(a)
	}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if err := makeStateDir(cfg.State.Path); err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, cfg.State.Path)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, store.Close)
	keys, err := a.openOrNot(ctx, store)
	if err != nil {
		return nil, err
	}
	parts := engine.Parts{Store: store, Keys: keys, Clock: machine.Clock{}, Workers: workers, SelfTest: testmail.Prove,
		Notify: notify,
		Quota:  store, Counts: cfg.Counts()}
	look, err := newLooker(cfg)
	if err != nil {
		return nil, err
	}
	parts.Look, parts.Names = ports.Unshared(look, store), store
	if parts.Publishers, err = newPublishers(ctx, cfg); err != nil {
		return nil, err
	}
	if parts.Signers, err = newSigners(cfg); err != nil {
		return nil, err
	}
	for _, s := range parts.Signers {
		a.onBoard(ctx, s, keys)
	}
	knowOthers(parts.Signers, a.Domains, store)
	proved(parts.Signers, newProbers(cfg, look))
	self, err := machine.This()
	if err != nil {
		return nil, err
	}
	parts.Owner, parts.Actor, parts.OwnerDead = self.String(), self.Actor(), self.KnowsDead
	parts.Watching = a.watching
	parts = a.counted(parts)
	parts.EndPrograms = machine.NewOrphans(self, a.log).End
	if parts, err = withFailpoints(parts); err != nil {
		return nil, err
	}
	a.Notifier = newNotifier(cfg, parts.Actor, a.log)
	parts = a.noted(witnessed(parts, a.Notifier))
	parts.BeforeSwitches = notifyConfig(cfg, parts.Actor, a.log).BeforeSwitches()
	a.Engine, a.Queue, a.Work, a.State, a.Lineage = engine.NewEngine(parts), store, store, store, store.Lineage()
	return a, nil
}

// watching says what a run waits for while a lease is watched.
func (a *App) watching(w ports.Watched) {
	if w.Works {
		a.log.Warn("waiting until another process has finished with the domain; the request is recorded after that",
			"domain", w.Domain, "owner", w.Owner, "since", w.Since.UTC().Format(time.RFC3339))
		return
	}
	a.log.Warn("waiting for a lease that is not renewed; dkimbot takes it over if its owner shows no sign of work",
		"domain", w.Domain, "owner", w.Owner,
		"since", w.Since.UTC().Format(time.RFC3339), "left", w.Left.Round(time.Second).String())
}

// OpenReadOnly wires what planning needs, and opens nothing for writing (I11).
// at is the time to plan for; zero means now.
func OpenReadOnly(ctx context.Context, cfg *config.Config, at time.Time) (_ *App, err error) {
	a := &App{Config: cfg, Domains: cfg.RotateDomains(), log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	store, err := a.openState(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := a.openKeysReadOnly(ctx, store)
	if err != nil {
		keys, err = keystore.Unread{Why: err}, ctx.Err() // a plan says of each domain what the reason keeps from being done
	}
	if err != nil {
		return nil, err
	}
	a.Planner = &engine.Planner{State: store, Keys: keys, Signers: map[string]ports.SignerReader{},
		Clock: machine.Clock{At: at}}
	look, err := newLooker(cfg)
	if err != nil {
		return nil, err
	}
	a.Planner.Look = ports.Unshared(look, store)
	signers, err := newSigners(cfg)
	if err != nil {
		return nil, err
	}
	for name, s := range signers {
		a.onBoard(ctx, s, keys)
		a.Planner.Signers[name] = s
	}
	a.Planner.Accounts = newAccounts(ctx, cfg)
	a.Planner.BeforeSwitches = notifyConfig(cfg, "", nil).BeforeSwitches()
	a.Planner.Recording = a.checkState().Questions
	a.Queue, a.Quota, a.State, a.Lineage, a.PlanKey = store, store, store, store.Lineage(), store.PlanKey()
	return a, a.Listen(true)
}

func (a *App) openState(ctx context.Context) (state.Reader, error) {
	store, err := sqlite.OpenReadOnly(ctx, a.Config.State.Path)
	if err == nil {
		a.closers = append(a.closers, store.Close)
	}
	return store, err
}

// Close ends what was opened, the newest first, after some seconds for notices that
// are yet to be delivered.
func (a *App) Close() error {
	if a.Notifier != nil {
		a.Notifier.Close()
		a.Notifier = nil
	}
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// History returns the newest events of a domain, or of all for "", oldest first.
func History(ctx context.Context, cfg *config.Config, domain string, limit int) ([]rotate.Event, error) {
	a := &App{Config: cfg}
	defer a.Close()
	store, err := a.openState(ctx)
	if err != nil {
		return nil, err
	}
	return store.History(ctx, domain, limit)
}

func makeStateDir(path string) error {
	dir, err := safefile.MakeDir(filepath.Dir(path), safefile.Ours(0o700), safefile.Ours(0o700))
	if err == nil {
		return dir.Close()
	}
	hint := safefile.Remedy(err)
	if hint == "" {
		hint = "make it by hand, or name another state.path"
	}
	return fault.Lasting("make the directory of the state database "+path, err, hint)
}
