package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/scheduler"
	"github.com/spf13/cobra"
)

// The longest waits that a run stays for.
const (
	shortWait = time.Minute // without --wait
	longWait  = time.Hour   // with --wait
)

// rotateFlags is what the command line says of a rotation.
type rotateFlags struct {
	domains, selectors          []string
	due, dryRun, wait, detailed bool
	compromised, all, revokeNow bool
	replaceStandby              bool
	yes                         bool
	out                         string
	ignore                      *rotate.Ignore
}

func (p *program) rotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate {--domain D... | --due | --compromised ...}",
		Short: "Start rotations, or continue those in progress; never shorten a wait",
		Long: `Start rotations, or continue those in progress; never shorten a wait.

With --domain, a domain that is ready starts a rotation now, whatever the schedule says. A
domain with a rotation in progress continues it. A domain that is new gets its two keys and
starts to sign.

With --due, takes every step that is due, for all domains, and starts no rotation ahead of
its schedule. This is the command for cron and timers.

With --compromised, somebody else may have a private key. All signers switch to the other
key now. The compromised key is revoked in DNS (an empty p=) and destroyed in the keystore,
and a fresh one takes its place. Mail in flight that was signed with it fails. The key is
the one that signs, unless --selector names another; name both selectors if both keys are
compromised. 'dkimbot rotate --due' and the daemon retry what can't be done at once. A key
is revoked as soon as one signer has left it. --revoke-now does not wait for that, and all
mail fails until a signer is switched.

With --replace-standby, the standby gets a fresh key, as soon as no mail can need the present
one, and no rotation starts. Use it after 'key' was changed in the policy: else the next
rotation leads to a key of the old kind. The next rotation waits for settle again.

Stays for waits of up to a minute; with --wait, of up to an hour. Ctrl-C finishes the step
in progress. Run the same command again to continue.`,
		Example: `  dkimbot rotate --domain example.com --dry-run   # show what would be done
  dkimbot rotate --domain example.com --wait
  dkimbot rotate --due                            # every quarter of an hour, from cron or a timer
  dkimbot rotate --domain example.com --compromised
  dkimbot rotate --all --compromised --selector s1 --selector s2   # somebody has copied the keystore`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return &usageError{error: err, command: cmd.CommandPath()}
			}
			cfg, chosen, err := p.loadFor(cmd, f.domains, choose)
			if err != nil {
				return err
			}
			req := f.request()
			if f.dryRun {
				req.Approved = f.out != ""
				form := formText
				if p.json {
					form = formJSON
				}
				return p.plan(cmd.Context(), cfg, chosen,
					planning{detailed: f.detailed, due: f.due, out: f.out, form: form, req: req})
			}
			if f.compromised && f.all && !f.yes {
				if err := p.ask(cmd.Context(), leaveAll(len(chosen))); err != nil {
					return err
				}
			}
			return p.notifyRefusal(cmd, cfg, p.rotate(cmd, cfg, chosen, req, f.due, patienceOf(f.wait)))
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.domains, "domain", nil, "start or continue a rotation of this `domain`; may be repeated")
	fl.BoolVar(&f.due, "due", false, "take every step that is due, for all domains")
	fl.BoolVar(&f.compromised, "compromised", false,
		"somebody else may have the key: leave it now, revoke and destroy it")
	fl.StringArrayVar(&f.selectors, "selector", nil, "with --compromised: the key at this `selector`; may be repeated")
	fl.BoolVar(&f.all, "all", false, "with --compromised: the keys of all domains")
	fl.BoolVar(&f.yes, "yes", false, "with --all: do not ask first, also on a terminal")
	fl.BoolVar(&f.revokeNow, "revoke-now", false, "with --compromised: revoke the key before any signer has left it")
	fl.BoolVar(&f.replaceStandby, "replace-standby", false, "give the standby a fresh key, of the kind that the policy names")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show the plan and do nothing")
	fl.StringVar(&f.out, "out", "", "with --dry-run: also write the plan to `FILE`, for 'dkimbot apply'")
	fl.BoolVar(&f.wait, "wait", false, "stay for waits of up to an hour, and retry what may pass by itself")
	fl.BoolVar(&f.detailed, "detailed-exitcode", false, "with --dry-run: exit with 2 when changes are pending")
	f.ignore = ignoreFlags(cmd)
	p.jsonFlag(cmd)
	return cmd
}

// check finds flags that don't go together.
func (f *rotateFlags) check() (err error) {
	switch {
	case !f.compromised && (f.all || f.revokeNow || len(f.selectors) > 0):
		return errors.New("--all, --selector and --revoke-now say which keys have leaked: they need --compromised")
	case f.yes && !f.all:
		return errors.New("--yes answers what --compromised --all asks: it needs both")
	case f.replaceStandby && (f.compromised || f.due):
		return errors.New("--replace-standby replaces a key that nothing signs with: it needs --domain, and neither --due " +
			"nor --compromised")
	case f.compromised && f.due:
		return errors.New("--due takes steps by schedule: with --compromised, name domains, or --all")
	case f.compromised && f.all == (len(f.domains) > 0):
		return errors.New("--compromised needs either --domain or --all")
	case !f.compromised && f.due == (len(f.domains) > 0):
		return errors.New("rotate needs either --domain or --due")
	case f.detailed && !f.dryRun:
		return errors.New("--detailed-exitcode tells whether a plan has steps: it needs --dry-run")
	case f.out != "" && !f.dryRun:
		return errors.New("--out saves a plan instead of carrying it out: it needs --dry-run")
	case f.out != "" && f.replaceStandby:
		return errors.New("--out saves steps, and not that a standby is to get a fresh key: " +
			"carry it out without --dry-run")
	case f.out != "" && f.compromised:
		return errors.New("--out saves a plan for later, and a leaked key can't wait: carry it out without --dry-run")
	}
	for i, s := range f.selectors {
		if f.selectors[i], err = dkim.ParseSelector(s); err != nil {
			return fmt.Errorf("--selector: %w", err)
		}
	}
	return nil
}

// request returns what is asked of the domains.
func (f *rotateFlags) request() rotate.Request {
	req := rotate.Request{Named: !f.due, Ignore: *f.ignore}
	switch {
	case f.compromised:
		req.Instruction = rotate.Distrust{Selectors: f.selectors, RevokeNow: f.revokeNow}
	case f.replaceStandby:
		req.Instruction = rotate.Renew{}
	default:
		req.Asked = !f.due
	}
	return req
}

// patienceOf returns how long a run stays for what has to be waited for.
func patienceOf(wait bool) engine.Patience {
	if wait {
		return engine.Patience{Most: longWait, Retry: true}
	}
	return engine.Patience{Most: shortWait}
}

func (p *program) rotate(cmd *cobra.Command, cfg *config.Config, domains []rotate.Domain, req rotate.Request, due bool,
	patience engine.Patience) error {
	s, err := p.open(cmd, cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := cmd.Context()
	if due {
		if domains, err = scheduler.TakePending(ctx, s.Work, s.Engine.Clock.Now(), domains, req); err != nil {
			return err
		}
	}
	beside, err := findOthers(ctx, s.App, due, domains)
	if err != nil {
		return err
	}
	var results []engine.Result
	s.tell.expect(domains)
	s.Engine.SettleAll(ctx, tasks(domains, req), patience, s.tell.waiting, p.into(&results, s.tell, show.Text.Result))
	s.tell.stop()
	err = p.endResults(ctx, s.App, results, domains, beside)
	if due && err == nil {
		s.Notifier.Beat()
	}
	return err
}

// tasks ask the same of each of the domains.
func tasks(domains []rotate.Domain, req rotate.Request) (out []engine.Task) {
	for _, d := range domains {
		out = append(out, engine.Task{Domain: d, Request: req})
	}
	return out
}

// endResults ends a run of the parts in which results were told as they came.
func (p *program) endResults(ctx context.Context, a *app.App, results []engine.Result, domains []rotate.Domain,
	beside others) error {
	if p.json {
		inOrder(results, domains)
		if err := report.JSON(p.Out, report.NewRotate(results, beside.waiting, beside.unlisted)); err != nil {
			return err
		}
	} else {
		p.closingWords(results, beside)
	}
	a.Notifier.Well()
	if ctx.Err() != nil {
		return p.interrupted(results, p.afterReport(results))
	}
	return runExit(results, beside)
}

// inOrder puts results in the order of the domains: they come as they are ready.
func inOrder(results []engine.Result, domains []rotate.Domain) {
	at := make(map[string]int, len(domains))
	for i, d := range domains {
		at[d.Name] = i
	}
	slices.SortFunc(results, func(a, b engine.Result) int { return at[a.Domain] - at[b.Domain] })
}

// closingWords say what a person may wonder about after the results.
func (p *program) closingWords(results []engine.Result, beside others) {
	t := p.text(p.Out, p.OutTTY)
	p.retries(t, beside.waiting)
	waiting := slices.ContainsFunc(results,
		func(r engine.Result) bool { return r.Err == nil && r.State.Phase != rotate.Ready })
	switch {
	case len(results) == 0 && len(beside.waiting) > 0:
		fmt.Fprintf(p.Out, "Nothing else is due. To try again at once, name the domain: 'dkimbot rotate --domain %s'.\n",
			beside.waiting[0].Domain)
	case len(results) == 0:
		fmt.Fprintln(p.Out, "Nothing is due.")
	case heldBack(results) != "":
		fmt.Fprintf(p.Out, "Held back: %s. 'dkimbot rotate --due' and the daemon continue when the wait ends.\n",
			heldBack(results))
	case waiting:
		fmt.Fprintln(p.Out, "Waiting, see above. "+
			"'dkimbot rotate --due' and the daemon continue when the wait ends.")
	}
	t.Warnings(show.UnlistedWarnings(beside.unlisted))
	t.Ended(results)
}

// rotateExit tells by the exit code what became of the domains.
func rotateExit(results []engine.Result) error { return runExit(results, others{}) }

// runExit counts in what failed before and waits for its next try: as long as a
// domain fails, every run for all domains ends with the same code.
func runExit(results []engine.Result, beside others) error {
	failed, refused := beside.failing()
	for _, r := range results {
		if r.Err != nil {
			failed++
			if fault.KindOf(r.Err) == fault.Refused {
				refused++
			}
		}
	}
	if code := outcome(max(len(results), beside.all), failed, refused); code != exitDone {
		return exitCode(code)
	}
	return nil
}
