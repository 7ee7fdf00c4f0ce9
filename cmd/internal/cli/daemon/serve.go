package daemon

import (
	"context"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/rotate"
)

// listen answers questions where the configuration says so. One server stays through reloads as long
// as its address does; the new one is there before the old one ends.
func (d *daemon) listen(cfg *config.Config) error {
	old, address := d.server, cfg.Serve.Listen
	if old != nil && old.Address == address {
		old.Answer(cfg.Serve.Hosts)
		return nil
	}
	d.server = nil
	if address != "" {
		server, err := serve.Listen(address, cfg.Serve.Hosts, serve.Served{Metrics: d.metrics,
			Health: serve.Health{Alive: d.lives, Ready: d.ready},
			Detail: serve.Detail{State: d.state, History: d.history}, Log: d.log})
		if err != nil {
			d.server = old
			return err
		}
		d.server = server
		d.log.Info("serving metrics and status", "address", server.Addr().String())
	}
	old.Close()
	return nil
}

func (d *daemon) lives() bool { return d.current.Load().queue.lives() }

func (d *daemon) ready(ctx context.Context) error { return d.current.Load().ready(ctx) }

func (d *daemon) fleet(ctx context.Context) (serve.Fleet, error) { return d.current.Load().fleet(ctx) }

func (d *daemon) history(ctx context.Context, domain string, limit int) ([]rotate.Event, error) {
	return d.current.Load().history(ctx, domain, limit)
}

func (d *daemon) state(ctx context.Context, domain string) (rotate.State, error) {
	return d.current.Load().state(ctx, domain)
}

func (d *daemon) notices() int { return d.current.Load().notices.Waiting() }

// watchdog notifies systemd that the schedule lives, twice as often as it wants to know, until ctx is
// done. systemd restarts a daemon whose schedule hangs.
func (d *daemon) watchdog(ctx context.Context) {
	every, err := sd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	for tick := time.NewTicker(every / 2); ; {
		select {
		case <-tick.C:
			if d.lives() {
				d.notify(sd.SdNotifyWatchdog)
			}
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}
