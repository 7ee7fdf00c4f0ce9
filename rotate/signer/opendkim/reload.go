package opendkim

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// reloadRules wants one way to make the daemon read its tables. OpenDKIM holds them in memory: without a reload it
// would continue with the old selector.
func (c *Config) reloadRules() []*settings.Problem {
	switch {
	case len(c.Reload) == 0 && c.ReloadSignal == "":
		return []*settings.Problem{settings.Wrong("is missing",
			`write reload: [systemctl, reload, opendkim], or ["true"] where no OpenDKIM runs`, "reload")}
	case len(c.Reload) > 0 && c.ReloadSignal != "":
		return []*settings.Problem{settings.Wrong("stands beside reload", "write one of the two", "reload_signal", "reload")}
	case c.PIDFile != "" && c.ReloadSignal == "":
		return []*settings.Problem{settings.Wrong("is without effect", "write reload_signal: usr1, or leave it out",
			"pid_file")}
	}
	return nil
}

func absolute(text string, at settings.Place) (string, *settings.Problem) { return at.Absolute(text) }

// reloading names the reload for people.
func (c *Config) reloading() string {
	if c.ReloadSignal != "" {
		return "SIG" + strings.ToUpper(c.ReloadSignal)
	}
	return child.Shell(c.Reload)
}

// checkReload finds a reload that can't work before anything is changed.
func (s *Signer) checkReload() error {
	if s.cfg.ReloadSignal == "" {
		return preflight.Command("reload signer "+s.cfg.Name, s.cfg.Reload, "reload")
	}
	return s.daemon.Check()
}

// reload asks the daemon to read its tables.
func (b *batch) reload(ctx context.Context) error {
	if err := b.step("reload"); err != nil {
		return err
	}
	err := b.sendReload(ctx)
	if err == nil {
		return b.step("check")
	}
	return err
}

// Reload has the daemon read its tables again, where somebody has seen that it did not.
func (s *Signer) Reload(ctx context.Context) error { return s.sendReload(ctx) }

func (s *Signer) sendReload(ctx context.Context) error {
	switch {
	case s.cfg.ReloadSignal != "":
		return s.daemon.Reload()
	case len(s.cfg.Reload) == 0:
		return nil
	}
	res, err := child.Run(ctx, child.Program{Argv: s.cfg.Reload, Timeout: s.cfg.ReloadTimeout, KeepsDaemons: true})
	if err == nil {
		return nil
	}
	if said := child.Tail(slices.Concat(res.Stdout, res.Stderr)); said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	return fault.Temporary(fmt.Sprintf("reload signer %s with %s", s.cfg.Name, child.Shell(s.cfg.Reload)), err,
		"run that command by hand; until it succeeds the daemon may sign with the keys that it has read before")
}
