package inspect

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// few domains are shown whole without being asked for.
const few = 5

// exitCritical is what monitoring systems read as critical; only with --check.
const exitCritical = 2

// Status returns the command "status".
func Status(p *console.Program) *cobra.Command {
	s, form := status{Program: p}, ""
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
			wanted, err := p.Form(cmd, form, console.StatusForms)
			if err != nil {
				return err
			}
			if err := s.of.check(s.all, s.brief, s.check); err != nil {
				return console.Wrong(cmd, err)
			}
			states, unlisted, cfg, err := s.read(cmd)
			wrong := (*console.UsageError)(nil)
			switch {
			case errors.As(err, &wrong):
				return err
			case s.check:
				return s.checked(cfg, states, unlisted, err)
			case err != nil:
				return err
			case wanted == console.FormJSON:
				return report.JSON(p.Out, report.NewStatus(states, unlisted, time.Now()))
			case wanted == console.FormPrometheus:
				return serve.WriteFleet(p.Out, serve.Fleet{States: states, Unlisted: unlisted})
			}
			s.show(states, unlisted)
			return nil
		},
	}
	f := cmd.Flags()
	s.of.flags(f)
	f.BoolVar(&s.all, "all", false, "show all domains whole, also when they are many")
	f.BoolVar(&s.brief, "brief", false, "show only the summary")
	f.BoolVar(&s.check, "check", false, "print one line for a monitoring system, and exit with 0, 1 or 2")
	f.StringVar(&form, "format", console.FormText, "print it as `FORM`: text, json or prometheus")
	p.JSONFlag(cmd)
	return cmd
}

// status is what is asked of the states.
type status struct {
	*console.Program
	of                statusFilter
	all, brief, check bool
}

// read reads the states that the filter lets through.
func (s *status) read(cmd *cobra.Command) (states, unlisted []rotate.State, cfg *config.Config, err error) {
	if cfg, err = s.Load(); err != nil {
		return nil, nil, nil, err
	}
	if err := s.of.known(cfg); err != nil {
		return nil, nil, cfg, console.Wrong(cmd, err)
	}
	chosen, err := s.of.choose(cfg)
	if err != nil {
		return nil, nil, cfg, err
	}
	states, unlisted, err = app.States(cmd.Context(), cfg, chosen)
	if s.of.narrow() {
		unlisted = nil
	}
	return s.of.keep(states), unlisted, cfg, err
}

// show writes the states for people.
func (s *status) show(states, unlisted []rotate.State) {
	detail := show.Whole
	switch {
	case s.brief:
		detail = show.Brief
	case !s.all && len(states) > few && !s.of.named():
		detail = show.Glance
	}
	s.Text().Statuses(states, unlisted, detail)
	if s.of.narrow() && len(states) == 0 {
		fmt.Fprintln(s.Out, "No domain matches.")
	}
}

// checked is --check.
func (s *status) checked(cfg *config.Config, states, unlisted []rotate.State, err error) error {
	if err != nil {
		fmt.Fprintln(s.Out, "dkimbot CRITICAL: the state can't be read:", fault.Text(err))
		return console.Exit(exitCritical)
	}
	if _, err := os.Stat(cfg.State.Path); err != nil && len(states) > 0 {
		fmt.Fprintf(s.Out, "dkimbot CRITICAL: there is no state at %s: no run has begun yet, or it is lost; "+
			"see 'dkimbot restore'\n",
			cfg.State.Path)
		return console.Exit(exitCritical)
	}
	if len(states) == 0 {
		fmt.Fprintln(s.Out, "dkimbot WARNING: no domain is asked about: the configuration lists none, or none of these")
		return console.Exit(console.ExitError)
	}
	now, worst, why := time.Now(), "", ""
	for _, st := range states {
		if report.NeedsAttention(st, now) && (worst == "" || report.NeedsPerson(st)) {
			worst, why = st.Domain, show.Why(st)
		}
	}
	line, level := show.Check(report.NewCounts(states, unlisted, now), worst)
	fmt.Fprintln(s.Out, line)
	if level == 0 {
		return nil
	}
	if why != "" { // monitoring systems take further lines as details
		fmt.Fprintln(s.Out, screen.Visible(worst+": "+why))
	}
	return console.Exit(level)
}
