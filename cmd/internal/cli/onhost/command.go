// Package onhost has the command that runs beside a signer on a host of its own.
package onhost

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
)

// Command returns the command "agent".
func Command(p *console.Program) *cobra.Command {
	var once, check, answer bool
	cmd := &cobra.Command{
		Use:   "agent [--once | --check | --stdio]",
		Short: "Switch the signer of this host as the coordinator wants it",
		Long: `Switch the signer of this host as the coordinator wants it.

Runs on a host that signs mail, where dkimbot itself runs elsewhere. Reads from Vault
which selector and key each domain is to be signed with, and the keys; installs them in
the signer of this host; and reports what the signer really has in effect. It opens no
port. While Vault does not answer, the signer signs with what it has.

--once runs one turn and ends, for a timer. --check asks Vault and the signer for what
the agent needs, also whether its token may read more than that, and changes nothing.

--stdio serves one request of a coordinator that connects by ssh, where there is no Vault:
it reads one document from standard input, writes one to standard output, and ends. It is
what authorized_keys on the host names as the forced command.

The configuration is another one than dkimbot's own: ` + config.DefaultAgentPath + `,
unless --config names it.`,
		Example: `  dkimbot agent --config /etc/dkimbot/agent.yaml
  dkimbot agent --check`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if once && check || once && answer || check && answer {
				return console.Wrong(cmd, errors.New("--once, --check and --stdio exclude each other"))
			}
			a, err := open(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			if err := a.fits(answer, check); err != nil {
				return err
			}
			switch {
			case answer:
				return a.answer(cmd.Context(), p)
			case check:
				return a.check(cmd.Context(), p)
			case once:
				return a.once(cmd.Context())
			}
			return a.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "take one turn and end")
	cmd.Flags().BoolVar(&answer, "stdio", false, "serve one request of a coordinator that connects by ssh")
	cmd.Flags().BoolVar(&check, "check", false, "ask for what the agent needs, and change nothing")
	return cmd
}

// open reads the configuration and opens what it names; nothing is asked yet.
func open(cmd *cobra.Command, p *console.Program) (*onHost, error) {
	log, err := p.Log()
	if err != nil {
		return nil, err
	}
	path := p.ConfigPath
	if f := cmd.Flag("config"); !f.Changed && p.Env(config.PathVariable) == "" {
		path = config.DefaultAgentPath
	}
	cfg, err := config.LoadAgent(path)
	if err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		log.Warn(w.Error())
	}
	return newOnHost(cmd.Context(), cfg, log)
}

// longestLock is how long another agent in the same directory is waited for: one turn.
const longestLock = 30 * time.Second

// remember opens the agent's memory.
func (a *onHost) remember(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, longestLock)
	defer cancel()
	if err := host.CheckMemory(a.cfg.StateDir); err != nil {
		a.log.Warn("the agent's memory can't be used", "error", err, "hint", fault.HintOf(err))
	}
	memory, err := host.OpenDirectory(ctx, a.cfg.StateDir)
	if err != nil {
		return nil, err
	}
	a.host.Memory = memory
	return memory.Close, nil
}

func (a *onHost) once(ctx context.Context) error {
	done, err := a.remember(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := a.host.Turn(ctx)
	if err != nil {
		return err
	}
	a.logReport(r, nil)
	if r.Trouble != "" {
		return fault.Temporary("carry out the wish for agent "+a.cfg.Name, errors.New(r.Trouble),
			"see what the coordinator says of this agent: 'dkimbot check' there")
	}
	return nil
}

func (a *onHost) run(ctx context.Context) error {
	done, err := a.remember(ctx)
	if err != nil {
		return err
	}
	defer done()
	a.log.Info("ready", "version", console.Version(), "config", a.cfg.File, "agent", a.cfg.Name)
	notify(a.log, sd.SdNotifyReady)
	a.host.Run(ctx, func(r agent.Report, err error) {
		notify(a.log, sd.SdNotifyWatchdog)
		a.logReport(r, err)
	})
	notify(a.log, sd.SdNotifyStopping)
	a.log.Info("stopped")
	return nil
}

// logReport logs what has changed.
func (a *onHost) logReport(r agent.Report, err error) {
	if err != nil {
		a.failing = true
		a.log.Error("this turn failed; the signer continues signing as before", "error", err, "hint", fault.HintOf(err))
		return
	}
	if a.failing {
		a.log.Info("Vault takes reports again")
	}
	a.failing = false
	if r.Trouble != "" && r.Trouble != a.last.Trouble {
		a.log.Error("the wish can't be carried out; the signer continues signing as before", "error", r.Trouble)
	}
	if r.Note != "" && r.Note != a.last.Note {
		a.log.Warn("the wish is not carried out", "reason", r.Note)
	}
	for domain, k := range r.Keys {
		before := a.last.Keys[domain]
		if k.Error != "" && k.Error != before.Error {
			a.log.Error("a domain is not as the coordinator wants it", "domain", domain, "error", k.Error, "hint", k.Hint)
		}
		if k.Drifted != nil && (before.Drifted == nil || *before.Drifted != *k.Drifted) {
			text := "the signer was found with another key than was reported, and was brought back"
			if k.Drifted.By != r.Instance {
				text = "another host of this name found its signer with another key than was reported, and brought it back"
			}
			a.log.Warn(text, "domain", domain, "selector", k.Drifted.Selector, "key", short(k.Drifted.KeyID))
		}
		if (k.Selector != before.Selector || k.KeyID != before.KeyID) && k.Selector != "" {
			a.log.Info("the signer signs", "domain", domain, "selector", k.Selector, "key", short(k.KeyID))
		}
		if before.Selector != "" && k.Selector == "" && !k.Unread {
			a.log.Warn("the signer does not sign the domain any more; the coordinator decides what to do", "domain", domain)
		}
		if k.Overruled != "" && k.Overruled != before.Overruled {
			a.log.Warn("the signer's files are not as dkimbot wrote them", "domain", domain, "found", k.Overruled)
		}
		if k.Unkept != "" && k.Unkept != before.Unkept {
			a.log.Warn("the signer's files are not as dkimbot wrote them", "domain", domain, "found", k.Unkept)
		}
	}
	for _, o := range r.Others {
		if slices.ContainsFunc(a.last.Others, func(p agent.Other) bool { return p.Instance == o.Instance }) {
			continue
		}
		a.log.Warn("another host reports under the same name, or this one did before it was built again or restored; "+
			"the coordinator says what to do", "host", o.Host, "name", o.Instance, "at", o.At, "this", r.Instance)
	}
	a.last = r
}

func short(id string) string { return id[:min(12, len(id))] }

// check asks for what the agent needs.
func (a *onHost) check(ctx context.Context, p *console.Program) error {
	answers := preflight.Ask(ctx, a.questions(ctx), preflight.Usual)
	if ctx.Err() != nil {
		return p.Unchanged()
	}
	doc := report.NewCheck(answers)
	show.Preflight(p.Text(), doc, "the agent")
	if !doc.Ready {
		return console.Exit(console.ExitError)
	}
	return nil
}

// notify notifies systemd; without systemd it does nothing.
func notify(log *slog.Logger, state string) {
	if _, err := sd.SdNotify(false, state); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Warn("can't notify systemd", "error", err)
	}
}
