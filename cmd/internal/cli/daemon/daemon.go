// Package daemon has the command that runs the schedule, and answers questions meanwhile.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/machine"
	"github.com/dkimbot/dkimbot/rotate/scheduler"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Command returns the command "daemon".
func Command(p *console.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "daemon",
		Short: "Run the schedule",
		Long: `Run the schedule.

Takes every step when it is due, for all domains, until it is stopped. SIGHUP reads the
configuration again; a wrong one is refused, and the old one stays in effect. SIGTERM and
SIGINT finish the step in progress and end the daemon; the next start continues there.
systemd is notified when the daemon is ready, reloads and stops.`,
		Example: "  dkimbot daemon --config /etc/dkimbot/dkimbot.yaml --log-format json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := p.Log()
			if err != nil {
				return err
			}
			cfg, err := p.Load()
			if err != nil {
				return err
			}
			d := &daemon{Program: p, log: log, hup: p.Hangups(), metrics: serve.NewMetrics(console.Version())}
			return p.NotifyRefusal(cmd, cfg, d.run(cmd.Context(), cfg))
		},
	}
}

// readAhead is how long the schedule waits at the start until the states of all domains are read for the status page.
const readAhead = 15 * time.Second

// daemon runs one generation of parts after the other: each reload makes a new one.
type daemon struct {
	*console.Program
	log *slog.Logger
	hup <-chan os.Signal

	delivering sync.WaitGroup // notices of earlier generations

	metrics *serve.Metrics
	server  *serve.Server              // nil: it answers nowhere
	current atomic.Pointer[generation] // there as soon as the daemon is ready
}

func (d *daemon) run(ctx context.Context, cfg *config.Config) error {
	ctx = d.reportLocks(ctx)
	a, err := d.open(ctx, cfg)
	if err != nil {
		return err
	}
	d.current.Store(newGeneration(a))
	d.metrics.Register(d.fleet, d.notices, d.log)
	if err := d.listen(cfg); err != nil {
		a.Close()
		return err
	}
	defer func() { d.server.Close() }()
	d.notify(sd.SdNotifyReady + "\nSTATUS=running the schedule")
	d.log.Info("ready", "version", console.Version(), "config", d.ConfigPath, "domains", len(a.Domains))
	if d.server != nil {
		d.metrics.ReadAhead(ctx, readAhead)
	}
	d.unlisted(ctx, a)
	d.zoneFiles(cfg)
	defer d.delivering.Wait()
	for {
		next, err := d.work(ctx, d.current.Load())
		if next == nil {
			d.notify(sd.SdNotifyStopping)
			a.Close()
			d.log.Info("stopped")
			return err
		}
		next.Engine.Inherit(a.Engine)
		d.delivering.Go(a.Leave())
		if err := next.Listen(false); err != nil {
			d.log.Error("can't listen after the reload; continuing without it", "error", err)
		}
		a = next
		d.current.Store(newGeneration(a))
		if err := d.listen(a.Config); err != nil {
			d.log.Error("can't serve metrics and status at the new address; the old address stays in use",
				"error", err, "hint", fault.HintOf(err))
		}
		d.notify(sd.SdNotifyReady + "\nSTATUS=running the schedule")
		d.log.Info("configuration reloaded", "domains", len(a.Domains))
		d.unlisted(ctx, a)
		d.zoneFiles(a.Config)
	}
}

// zoneFiles logs what is wrong with the zone files. One that can't be changed stops
// only its own domains.
func (d *daemon) zoneFiles(cfg *config.Config) {
	zones := app.ZoneFiles(cfg)
	for _, e := range zones.Errs {
		d.log.Error("a zone file can't be changed; no key of its domains can be published", "file", e.File, "line", e.Line,
			"error", e.Problem, "hint", e.Remedy)
	}
	for _, m := range zones.Missing {
		d.log.Warn("a zone file is missing; no key of its domain can be published", "file", m.File, "error", m.Problem,
			"hint", m.Remedy)
	}
	for _, w := range zones.Unread {
		d.log.Warn("a record of a zone file can't be answered for", "file", w.File, "line", w.Line, "error", w.Problem,
			"hint", w.Remedy)
	}
}

// unlisted warns of domains that the configuration lists no more.
func (d *daemon) unlisted(ctx context.Context, a *app.App) {
	states, err := a.Unlisted(ctx)
	if err != nil {
		d.log.Warn("can't find out which domains the configuration does not list any more", "error", err)
	}
	for _, u := range report.NewUnlisted(states) {
		d.log.Warn("dkimbot manages a domain that the configuration does not list; it changes nothing of it", "domain", u.Name,
			"phase", u.Phase,
			"records", u.Records, "keys", u.Keys, "signers", u.Signers,
			"hint", "list it again to continue, or release it: 'dkimbot release --domain "+u.Name+"'")
	}
}

// open opens the parts for the start. A directory of keys that can't be opened now keeps
// nothing from being done that needs none: it is tried again at each use. A Vault that can't
// even be spoken to is a wrong configuration.
func (d *daemon) open(ctx context.Context, cfg *config.Config) (*app.App, error) {
	options := []app.Option{app.WithLog(d.log), app.WithMetrics(d.metrics)}
	if cfg.Keystore.Vault == nil {
		options = append(options, app.WithoutKeystore(func(why error) {
			d.log.Error("the keystore can't be opened; steps that need a private key wait until it can", "error", why,
				"hint", fault.HintOf(why))
		}))
	}
	a, err := app.Prepare(ctx, cfg, console.LogStep(d.log), options...)
	if err != nil {
		return nil, err
	}
	if err := a.Listen(false); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// work runs the schedule until ctx is done or a good new configuration is there,
// whose parts it returns. In both cases every step in progress has ended.
func (d *daemon) work(ctx context.Context, g *generation) (*app.App, error) {
	a := g.app
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	defer g.end()
	go d.watchdog(running)
	s := scheduler.Scheduler{Engine: a.Engine, Queue: g.queue, Domains: a.Domains, Log: d.log}
	go func() { ended <- s.Run(running) }()
	go a.Notifier.Heartbeats(running, g.queue.beats)
	a.Notifier.Well()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-d.hup:
			d.notify(sd.SdNotifyReloading + "\n" + machine.MonotonicUsec())
			next, err := d.reload(ctx)
			d.metrics.Loaded(err)
			if err != nil {
				d.log.Error("the new configuration is refused; the old one stays in use", "error", err)
				a.Notifier.Command("daemon reload", "", err)
				d.notify(sd.SdNotifyReady + "\nSTATUS=the new configuration was refused; the old one stays in use")
				continue
			}
			stop()
			if err := <-ended; err != nil {
				next.Close()
				return nil, err
			}
			return next, nil
		}
	}
}

func (d *daemon) reload(ctx context.Context) (*app.App, error) {
	cfg, err := config.Load(d.ConfigPath)
	if err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		d.log.Warn(w.Error())
	}
	return app.Prepare(ctx, cfg, console.LogStep(d.log), app.WithLog(d.log), app.WithMetrics(d.metrics))
}

// notify notifies systemd; without systemd it does nothing.
func (d *daemon) notify(state string) {
	if _, err := sd.SdNotify(false, state); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.log.Warn("can't notify systemd", "error", err)
	}
}
