package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The longest waits that a run stays for.
const (
	shortWait = time.Minute // without --wait
	longWait  = time.Hour   // with --wait
)

func (p *program) rotateCommand() *cobra.Command {
	var (
		domains                     []string
		due, dryRun, wait, detailed bool
		out                         string
		ignore                      *rotate.Ignore
	)
	cmd := &cobra.Command{
		Use:   "rotate {--domain D... | --due}",
		Short: "Begin rotations, or carry on those under way; never cut a wait short",
		Long: `Begin rotations, or carry on those under way; never cut a wait short.

With --domain, a domain that is ready begins a rotation now, whatever the schedule says;
one that is in the middle of something is carried on. A domain that is new gets its two
keys and starts to sign.

With --due, every step that is due is taken for all domains, and no rotation begins ahead
of its schedule: this is the command for cron and timers.

Waits of up to a minute are waited out; with --wait, waits of up to an hour. On Ctrl-C the
step in hand is finished; run the same command again to go on.`,
		Example: `  dkimbot rotate --domain example.com --dry-run   # what would be done
  dkimbot rotate --domain example.com --wait
  dkimbot rotate --due                            # every quarter of an hour, from cron or a timer`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if due == (len(domains) > 0) {
				return &usageError{error: errors.New("rotate needs either --domain or --due"), command: cmd.CommandPath()}
			}
			if detailed && !dryRun {
				return &usageError{error: errors.New("--detailed-exitcode tells whether a plan has steps: it needs --dry-run"), command: cmd.CommandPath()}
			}
			if out != "" && !dryRun {
				return &usageError{error: errors.New("--out saves a plan instead of carrying it out: it needs --dry-run"), command: cmd.CommandPath()}
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			chosen, err := choose(cfg, domains)
			if err != nil {
				return p.told(cmd, cfg, err)
			}
			for i := range chosen {
				chosen[i].Asked, chosen[i].Named, chosen[i].Ignore = !due, !due, *ignore
			}
			if dryRun {
				form := formText
				if p.json {
					form = formJSON
				}
				return p.plan(cmd.Context(), cfg, chosen, planning{detailed: detailed, due: due, out: out, form: form, approved: out != "", ignore: *ignore})
			}
			patience := rotate.Patience{Most: shortWait}
			if wait {
				patience = rotate.Patience{Most: longWait, Retry: true}
			}
			return p.told(cmd, cfg, p.rotate(cmd, cfg, chosen, due, patience))
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&domains, "domain", nil, "begin or carry on a rotation of this `domain`; may be repeated")
	f.BoolVar(&due, "due", false, "take every step that is due, for all domains")
	f.BoolVar(&dryRun, "dry-run", false, "show the plan and do nothing")
	f.StringVar(&out, "out", "", "with --dry-run: write the plan to `FILE` as well, for 'dkimbot apply'")
	f.BoolVar(&wait, "wait", false, "stay for waits of up to an hour, and try again what may pass by itself")
	f.BoolVar(&detailed, "detailed-exitcode", false, "with --dry-run: exit with 2 when changes are pending")
	ignore = ignoreFlags(cmd)
	p.jsonFlag(cmd)
	return cmd
}

func (p *program) rotate(cmd *cobra.Command, cfg *config.Config, domains []rotate.Domain, due bool, patience rotate.Patience) error {
	ctx, tell := cmd.Context(), p.teller(cmd)
	defer tell.stop()
	log, err := p.log()
	if err != nil {
		return err
	}
	a, err := app.Open(ctx, cfg, tell.step, app.WithLog(log))
	if err != nil {
		return err
	}
	defer a.Close()
	if due {
		if domains, err = rotate.TakePending(ctx, a.Work, time.Now(), domains); err != nil {
			return err
		}
	}
	beside, err := findAside(ctx, a, due, domains)
	if err != nil {
		return err
	}
	results := make([]rotate.Result, 0, len(domains))
	tell.expect(domains)
	a.Engine.SettleAll(ctx, domains, patience, tell.waiting, func(r rotate.Result) {
		results = append(results, r)
		tell.over(r.Domain)
		if !p.json {
			t := p.text(p.Out, p.OutTTY)
			t.Result(r)
		}
	})
	tell.stop()
	err = p.endResults(ctx, a, results, domains, beside)
	if due && err == nil {
		a.Notices.Beat()
	}
	return err
}

// endResults ends a run of the parts in which results were told as they came.
func (p *program) endResults(ctx context.Context, a *app.App, results []rotate.Result, domains []rotate.Domain, beside aside) error {
	if p.json {
		inOrder(results, domains)
		if err := show.JSON(p.Out, show.NewRotate(results, beside.waiting, beside.unlisted)); err != nil {
			return err
		}
	} else {
		p.closingWords(results, beside)
	}
	a.Notices.Well()
	if ctx.Err() != nil {
		return p.interrupted(results, "")
	}
	return rotateExit(results)
}

// inOrder puts results in the order of the domains: they come as they are ready.
func inOrder(results []rotate.Result, domains []rotate.Domain) {
	at := make(map[string]int, len(domains))
	for i, d := range domains {
		at[d.Name] = i
	}
	slices.SortFunc(results, func(a, b rotate.Result) int { return at[a.Domain] - at[b.Domain] })
}

// closingWords say what a person may wonder about after the results.
func (p *program) closingWords(results []rotate.Result, beside aside) {
	t := p.text(p.Out, p.OutTTY)
	p.retries(t, beside.waiting)
	waiting := slices.ContainsFunc(results, func(r rotate.Result) bool { return r.Err == nil && r.State.Phase != rotate.Ready })
	switch {
	case len(results) == 0 && len(beside.waiting) > 0:
		fmt.Fprintf(p.Out, "Nothing else is due. To try again at once, name the domain: 'dkimbot rotate --domain %s'.\n", beside.waiting[0].Domain)
	case len(results) == 0:
		fmt.Fprintln(p.Out, "Nothing is due.")
	case heldBack(results) != "":
		fmt.Fprintf(p.Out, "Held back: %s. 'dkimbot rotate --due' and the daemon go on when the time has come.\n", heldBack(results))
	case waiting:
		fmt.Fprintln(p.Out, "What is waited for is told above. 'dkimbot rotate --due' and the daemon go on when the time has come.")
	}
	t.Warnings(show.UnlistedWarnings(beside.unlisted))
}

// rotateExit tells by the exit code what became of the domains.
func rotateExit(results []rotate.Result) error {
	failed, refused := 0, 0
	for _, r := range results {
		if r.Err != nil {
			failed++
			if fault.KindOf(r.Err) == fault.Refused {
				refused++
			}
		}
	}
	if code := outcome(len(results), failed, refused); code != exitDone {
		return exitCode(code)
	}
	return nil
}
