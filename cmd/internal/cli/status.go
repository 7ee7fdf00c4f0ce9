package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// few domains are shown whole without being asked for.
const few = 5

// exitCritical is what monitoring systems read as critical; only with --check.
const exitCritical = 2

func (p *program) statusCommand() *cobra.Command {
	var (
		of                statusFilter
		all, brief, check bool
		form              string
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where every domain stands and what comes next",
		Long: `Show where every domain stands and what comes next.

Reads only the state. It has what the last health check of DNS, the keystore and the
signers found: what differs, since when, and what dkimbot does about it. 'rotate --due' and
the daemon check every domain once an hour; 'dkimbot plan' checks now. Also shows domains
that the configuration does not list any more; dkimbot never touches those.

Of more than five domains, those that need attention are shown whole, the ones that need a
person first, and the others with one line each. --all shows all whole, --brief only
the summary.

With --format prometheus, prints how many domains stand how, as metrics: a timer writes them
to a file for the node exporter's textfile collector. The daemon serves them, and more, at
serve.listen.

With --check, prints one line for a monitoring system and exits with 0 when all is well, 1
for a warning (a domain fails or drifts, and dkimbot retries or repairs it), and 2 when it is
critical: a domain needs a person, no run came to a domain for two hours after its time, or
there is no state, or it can't be read.`,
		Example: `  dkimbot status
  dkimbot status --domain '*.example.com' --phase draining
  dkimbot status --failing --json
  dkimbot status --check
  dkimbot status --format prometheus >/var/lib/prometheus/node-exporter/dkimbot.prom`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := p.statusForm(cmd, form)
			if err := cmp.Or(err, of.check(all, brief, check)); err != nil {
				return &usageError{error: err, command: cmd.CommandPath()}
			}
			states, unlisted, cfg, err := p.statesOf(cmd.Context(), &of)
			switch {
			case check:
				return p.checkStates(cfg, states, unlisted, err)
			case err != nil:
				return err
			case wanted == formJSON:
				return report.JSON(p.Out, report.NewStatus(states, unlisted, time.Now()))
			case wanted == formPrometheus:
				return serve.WriteFleet(p.Out, serve.Fleet{States: states, Unlisted: unlisted})
			}
			detail := show.Whole
			switch {
			case brief:
				detail = show.Brief
			case !all && len(states) > few && !of.named():
				detail = show.Glance
			}
			p.text(p.Out, p.OutTTY).Statuses(states, unlisted, detail)
			if of.narrow() && len(states) == 0 {
				fmt.Fprintln(p.Out, "No domain matches.")
			}
			return nil
		},
	}
	f := cmd.Flags()
	of.flags(f)
	f.BoolVar(&all, "all", false, "show all domains whole, also when they are many")
	f.BoolVar(&brief, "brief", false, "show only the summary")
	f.BoolVar(&check, "check", false, "print one line for a monitoring system, and exit with 0, 1 or 2")
	f.StringVar(&form, "format", formText, "print it as `FORM`: text, json or prometheus")
	p.jsonFlag(cmd)
	return cmd
}

// statesOf reads the states that the filter lets through.
func (p *program) statesOf(ctx context.Context, of *statusFilter) (states, unlisted []rotate.State,
	cfg *config.Config, err error) {
	if cfg, err = p.load(); err != nil {
		return nil, nil, nil, err
	}
	chosen, err := of.choose(cfg)
	if err != nil {
		return nil, nil, cfg, err
	}
	states, unlisted, err = app.States(ctx, cfg, chosen)
	if of.narrow() {
		unlisted = nil
	}
	return of.keep(states), unlisted, cfg, err
}

// checkStates is --check.
func (p *program) checkStates(cfg *config.Config, states, unlisted []rotate.State, err error) error {
	if err != nil {
		fmt.Fprintln(p.Out, "dkimbot CRITICAL: the state can't be read:", fault.Text(err))
		return exitCode(exitCritical)
	}
	if _, err := os.Stat(cfg.State.Path); err != nil && len(states) > 0 {
		fmt.Fprintf(p.Out, "dkimbot CRITICAL: there is no state at %s: no run has begun yet, or it is lost; "+
			"see 'dkimbot restore'\n",
			cfg.State.Path)
		return exitCode(exitCritical)
	}
	if len(states) == 0 {
		fmt.Fprintln(p.Out, "dkimbot WARNING: no domain is asked about: the configuration lists none, or none of these")
		return exitCode(exitError)
	}
	now, worst := time.Now(), ""
	for _, st := range states {
		if report.NeedsAttention(st, now) && (worst == "" || report.NeedsPerson(st)) {
			worst = st.Domain
		}
	}
	line, level := show.Check(report.NewCounts(states, unlisted, now), worst)
	fmt.Fprintln(p.Out, line)
	if level == 0 {
		return nil
	}
	return exitCode(level)
}

func (p *program) historyCommand() *cobra.Command {
	var (
		domains []string
		limit   int
		since   sinceFlag
	)
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show what was done, when, by whom and with what outcome",
		Example: `  dkimbot history --domain example.com
  dkimbot history --since 7d`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return &usageError{error: fmt.Errorf("--limit %d: want 1 or more", limit), command: cmd.CommandPath()}
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			events, err := histories(cmd.Context(), cfg, domains, limit)
			if err != nil {
				return err
			}
			events = since.from(events, time.Now())
			if p.json {
				return report.JSON(p.Out, report.NewHistory(events))
			}
			t := p.text(p.Out, p.OutTTY)
			for _, e := range events {
				t.Event(e)
			}
			switch {
			case len(events) > 0:
			case since.given:
				fmt.Fprintln(p.Out, "Nothing was done since then.")
			default:
				fmt.Fprintln(p.Out, "Nothing was done yet.")
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&domains, "domain", nil, "only this `domain`; may be repeated")
	cmd.Flags().IntVar(&limit, "limit", 1000, "show the newest events, at most this many")
	cmd.Flags().Var(&since, "since", "only what was done since this `time`: 2026-12-24, RFC 3339, or so long ago, as 7d")
	p.jsonFlag(cmd)
	return cmd
}

// histories reads the newest events of some domains, or of all for none, oldest first.
func histories(ctx context.Context, cfg *config.Config, domains []string, limit int) ([]rotate.Event, error) {
	if len(domains) < 2 {
		return history(ctx, cfg, strings.Join(domains, ""), limit)
	}
	var all []rotate.Event
	seen := map[string]bool{}
	for _, d := range domains {
		events, err := history(ctx, cfg, d, limit)
		if err != nil {
			return nil, err
		}
		if len(events) > 0 && !seen[events[0].Domain] {
			seen[events[0].Domain] = true
			all = append(all, events...)
		}
	}
	slices.SortStableFunc(all, func(a, b rotate.Event) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-limit):], nil
}

// history reads the events of a domain, or of all for "". A domain that has left the
// configuration still has its history; an unknown one is an error.
func history(ctx context.Context, cfg *config.Config, domain string, limit int) ([]rotate.Event, error) {
	var unknown error
	if domain != "" {
		if d, err := cfg.Domain(domain); err == nil {
			domain = d.Name
		} else if name, bad := dkim.ParseDomain(domain); bad != nil {
			return nil, err
		} else {
			domain, unknown = name, err
		}
	}
	events, err := app.History(ctx, cfg, domain, limit)
	if err == nil && len(events) == 0 && unknown != nil {
		return nil, unknown
	}
	return events, err
}
