package inspect

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/simulate"
)

// Simulate returns the command "simulate".
func Simulate(p *console.Program) *cobra.Command {
	length := console.DurationFlag{Span: 365 * 24 * time.Hour, Least: time.Hour, Most: longest, Example: "365d"}
	faults, seed := string(simulate.Some), uint64(1)
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Play the configuration forward in virtual time, and say whether mail would fail",
		Long: `Play the configuration forward in virtual time, and say whether mail would fail.

The engine works on the configuration's domains with their policies, TTLs, schedules
and signers. It starts with an empty state, and everything else is a model: nothing
outside is touched. All the time mail is signed, and receivers that cache keys verify it.
Of domains that differ by their names only, one is played for all.

--faults none is a healthy year; some brings short outages, slow answers and restarts;
all brings everything that can go wrong, far more often than in reality.

Exit code 1: mail would fail.`,
		Example: `  dkimbot simulate
  dkimbot simulate --for 730d --faults all --seed 7
  dkimbot simulate --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level, err := simulate.ParseLevel(faults)
			if err != nil {
				return console.Wrong(cmd, err)
			}
			cfg, err := p.Load()
			if err != nil {
				return err
			}
			return simulation{p, length.Span, level, seed}.play(cfg)
		},
	}
	f := cmd.Flags()
	f.Var(&length, "for", "play this `time`, such as 365d or 2160h")
	f.Uint64Var(&seed, "seed", seed, "what goes wrong, and when, depends on this `number` only")
	f.StringVar(&faults, "faults", faults, "how much goes wrong: none, some or all")
	p.JSONFlag(cmd)
	return cmd
}

// simulation says what to play.
type simulation struct {
	*console.Program
	length time.Duration
	faults simulate.Level
	seed   uint64
}

// play plays it, and shows what became of the mail.
func (s simulation) play(cfg *config.Config) error {
	lags, err := app.Lags(cfg)
	if err != nil {
		return err
	}
	domains, standFor := kinds(cfg)
	sc := simulate.Planned(s.seed, time.Now().UTC().Truncate(time.Second), s.length, s.faults, domains, lags)
	sc.Unchecked = map[string]bool{}
	for _, d := range cfg.Domains {
		sc.Unchecked[d.Name] = d.Verify.Mode == "none"
	}
	played := simulate.Run(sc)
	doc := report.NewSimulation(sc, played, standFor)
	if s.JSON {
		err = report.JSON(s.Out, doc)
	} else {
		s.Text().Simulation(doc)
	}
	if err == nil && !doc.Verdict.OK {
		err = console.Exit(console.ExitError)
	}
	return err
}

// kinds returns one domain of each kind, and how many it stands for. Domains are of
// one kind when they differ by their names only.
func kinds(cfg *config.Config) (domains []rotate.Domain, standFor map[string]int) {
	first, standFor := map[string]string{}, map[string]int{}
	for _, d := range cfg.Domains {
		kind := fmt.Sprintf("%+v %+v %s %q %s %s", d.Policy, d.Limits, d.Through(), d.Signers, d.VerifyTimeout, d.Verify.Mode)
		if first[kind] == "" {
			first[kind] = d.Name
			d.Limits.PlanOnly = false // as if each plan were approved as soon as it is due
			domains = append(domains, d.Domain)
		}
		standFor[first[kind]]++
	}
	return domains, standFor
}

// longest is as far as the simulation looks: state and tables know no more than four digits of a year.
const longest = 100 * 365 * 24 * time.Hour
