package app

import (
	"log/slog"
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/machine"
	"github.com/dkimbot/dkimbot/cmd/internal/notify"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// newNotifier returns what reports events, and asks before a switch.
func newNotifier(all *config.Config, by string, log *slog.Logger) *notify.Notifier {
	return notify.New(notifyConfig(all, by, log))
}

func notifyConfig(all *config.Config, by string, log *slog.Logger) notify.Config {
	cfg := all.Notify
	provider := func(domain string) string {
		d, err := all.Domain(domain)
		if err != nil {
			return ""
		}
		return d.Through()
	}
	c := notify.Config{Provider: provider, Audit: cfg.Audit, Memory: cfg.Memory, By: by, Log: log,
		BeforeSwitch: notifyHooks(cfg.Hooks.BeforeSwitch), After: notifyHooks(cfg.Hooks.After),
		OnFailure: notifyHooks(cfg.Hooks.OnFailure)}
	if w := cfg.Webhook; w != nil {
		c.Webhook = &notify.Webhook{URL: w.URL.Read, On: w.On, Timeout: w.Timeout}
	}
	if m := cfg.Mail; m != nil {
		c.Mail = &notify.Mail{Server: m.SMTP, TLS: m.TLS, CAFile: m.CAFile, Username: m.Username, Password: m.Password.Read,
			From: m.From, To: m.To, On: m.On, Timeout: m.Timeout}
	}
	if h := cfg.Heartbeat; h != nil {
		c.Heartbeat = &notify.Heartbeat{URL: h.URL.Read, Method: h.Method, Every: h.Every, Timeout: h.Timeout}
	}
	return c
}

func notifyHooks(hooks []config.Hook) []notify.Hook {
	var out []notify.Hook
	for _, h := range hooks {
		out = append(out, notify.Hook(h))
	}
	return out
}

// witnessed reports the engine's events to the notifier, and to those who get them already.
func witnessed(parts engine.Parts, n *notify.Notifier) engine.Parts {
	first := parts.Notify
	parts.Notify = func(e rotate.Event) {
		if first != nil {
			first(e)
		}
		n.Step(e)
	}
	parts.Consent, parts.Failed, parts.Stored = n.Consent, n.Failed, n.Stored
	return parts
}

// Notify reports a command that ended before it began with a domain to those whom the configuration names. errs has
// the errors by domain; "" stands for the command as a whole. It returns when all are delivered, or after some seconds.
func Notify(cfg *config.Config, log *slog.Logger, command string, errs map[string]error) {
	if len(errs) == 0 {
		return
	}
	by := machine.UserName()
	if self, err := machine.This(); err == nil {
		by = self.Actor()
	}
	n := newNotifier(cfg, by, log)
	for _, domain := range slices.Sorted(maps.Keys(errs)) {
		n.Command(command, domain, errs[domain])
	}
	n.Close()
}

// Leave ends everything as Close does, except the delivery of notices: the function that it returns completes that.
func (a *App) Leave() (deliver func()) {
	n := a.Notifier
	a.Notifier = nil
	a.Close()
	if n == nil {
		return func() {}
	}
	return n.Close
}
