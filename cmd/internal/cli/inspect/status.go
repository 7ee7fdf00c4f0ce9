package inspect

import (
	"context"
	"fmt"
	"iter"
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
for a warning (a domain fails or drifts, and dkimbot retries or repairs it; or a compromised
key is not revoked yet, because something is waited for), and 2 when it is critical: a domain
needs a person, no run came to a domain for two hours after its time, or there is no state, or
it can't be read.`,
		Example: `  dkimbot status
  dkimbot status --domain '*.example.com' --phase draining
  dkimbot status --failing --json
  dkimbot status --check
  dkimbot status --format prometheus >/var/lib/prometheus/node-exporter/dkimbot.prom`,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd, form) },
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

// run prints what is asked for, as form.
func (s *status) run(cmd *cobra.Command, form string) error {
	wanted, err := s.Form(cmd, form, console.StatusForms)
	if err != nil {
		return err
	}
	if err := s.of.check(s.all, s.brief, s.check); err != nil {
		return console.Wrong(cmd, err)
	}
	cfg, chosen, err := s.choose(cmd)
	if err != nil {
		return err
	}
	if wanted == console.FormJSON && !s.check {
		return s.writeJSON(cmd.Context(), cfg, chosen)
	}
	states, unlisted, err := s.read(cmd.Context(), cfg, chosen, wanted)
	switch {
	case s.check:
		return s.checked(cfg, states, unlisted, err)
	case err != nil:
		return err
	case wanted == console.FormPrometheus:
		return serve.WriteFleet(s.Out, serve.Fleet{States: states, Unlisted: unlisted})
	}
	s.show(states, unlisted)
	return nil
}

// choose returns the configuration, and the domains that are asked for.
func (s *status) choose(cmd *cobra.Command) (*config.Config, []rotate.Domain, error) {
	cfg, err := s.Load()
	if err != nil {
		return nil, nil, err
	}
	if err := s.of.known(cfg); err != nil {
		return nil, nil, console.Wrong(cmd, err)
	}
	chosen, err := s.of.choose(cfg)
	return cfg, chosen, err
}

// each yields the states of those of the domains that the filter lets through.
func (s *status) each(ctx context.Context, from app.Stored, domains []rotate.Domain) iter.Seq2[rotate.State, error] {
	return func(yield func(rotate.State, error) bool) {
		for st, err := range from.Each(ctx, domains) {
			if (err != nil || s.of.wants(st)) && !yield(st, err) {
				return
			}
		}
	}
}

// unlisted returns the states of the domains that the configuration lists no more, where all domains are asked for.
func (s *status) unlisted(ctx context.Context, from app.Stored) ([]rotate.State, error) {
	if s.of.narrow() {
		return nil, nil
	}
	return from.Unlisted(ctx)
}

// read reads the states, and keeps of each no more than is shown of it.
func (s *status) read(ctx context.Context, cfg *config.Config, domains []rotate.Domain,
	form string) (states, unlisted []rotate.State, err error) {
	from, err := app.OpenStates(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	defer from.Close()
	now := time.Now()
	for st, err := range s.each(ctx, from, domains) {
		if err != nil {
			return nil, nil, err
		}
		states = append(states, st)
		switch whole := form != console.FormText || !s.check && s.detail(len(states)) == show.Whole; {
		case !whole && len(states) == few+1: // the ones before were few enough to be shown whole
			for i := range states {
				states[i] = report.Gist(states[i], now)
			}
		case !whole:
			states[len(states)-1] = report.Gist(st, now)
		}
	}
	unlisted, err = s.unlisted(ctx, from)
	return states, unlisted, err
}

// writeJSON reads the states twice, to count them and to write each, and holds none of them.
func (s *status) writeJSON(ctx context.Context, cfg *config.Config, domains []rotate.Domain) error {
	from, err := app.OpenStates(ctx, cfg)
	if err != nil {
		return err
	}
	defer from.Close()
	unlisted, err := s.unlisted(ctx, from)
	if err != nil {
		return err
	}
	counts, now := report.NoCounts(unlisted), time.Now()
	for st, err := range s.each(ctx, from, domains) {
		if err != nil {
			return err
		}
		counts.Add(st, now)
	}
	return report.WriteStatus(s.Out, counts, s.each(ctx, from, domains), unlisted)
}

// show writes the states for people.
func (s *status) show(states, unlisted []rotate.State) {
	s.Text().Statuses(states, unlisted, s.detail(len(states)))
	if s.of.narrow() && len(states) == 0 {
		fmt.Fprintln(s.Out, "No domain matches.")
	}
}

// detail says how much is shown of that many domains.
func (s *status) detail(domains int) show.Detail {
	switch {
	case s.brief:
		return show.Brief
	case !s.all && domains > few && !s.of.named():
		return show.Glance
	}
	return show.Whole
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
	now, worst, why, gravest := time.Now(), "", "", rotate.State{}
	for _, st := range unlisted {
		if left := report.Unrevoked(st); len(left) > 0 && worst == "" {
			worst, why = st.Domain, show.LeftCompromised(report.NewUnlisted([]rotate.State{st})[0])
			gravest = rotate.State{Failures: 1, Refused: true, Selectors: st.Selectors} // it needs a person
		}
	}
	for _, st := range states {
		if report.NeedsAttention(st, now) && (worst == "" || report.Graver(st, gravest)) {
			worst, why, gravest = st.Domain, show.Why(st), st
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
