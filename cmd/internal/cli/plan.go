package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/scheduler"
	"github.com/spf13/cobra"
)

func (p *program) planCommand() *cobra.Command {
	var (
		domains []string
		at      string
		how     planning
	)
	valid := durationFlag{span: planfile.Life, least: time.Minute, most: planfile.MaxLife, example: "72h"}
	length := durationFlag{least: time.Hour, most: longest, example: "90d"}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would be done now or at another time, and why; change nothing",
		Long: `Show what would be done now or at another time, and why; change nothing.

Reads DNS, the keystore, the signers and the state. Shows for each step what it changes,
what is there before and after, the reason, and the earliest time at which it may run.
Only --out writes, and only that file. 'dkimbot apply' does exactly what the file says,
once, as long as nothing has changed and the plan has not expired.

With --for, lists all steps of that time, if nothing gets in between.`,
		Example: `  dkimbot plan
  dkimbot plan --domain example.com --at 2026-12-24T04:00:00Z
  dkimbot plan --out plan.json --valid 72h
  dkimbot plan --format markdown
  dkimbot plan --for 90d
  dkimbot plan --json --detailed-exitcode`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wrong := func(err error) error { return &usageError{error: err, command: cmd.CommandPath()} }
			when, err := planTime(at)
			if err != nil {
				return wrong(err)
			}
			if how.form, err = p.form(cmd, how.form); err != nil {
				return err
			}
			if given := cmd.Flags().Changed; given("for") &&
				(given("at") || given("out") || given("valid") || given("detailed-exitcode")) {
				return wrong(errors.New("--for lists what is to come; it goes with none of --at, --out, " +
					"--valid and --detailed-exitcode"))
			} else if given("valid") && !given("out") && how.form != formJSON {
				return wrong(errors.New("--valid says how long a saved plan may be applied: it needs --out or --json"))
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			chosen, err := choose(cfg, domains)
			if err != nil {
				return err
			}
			how.when, how.valid, how.req = when, valid.span, rotate.Request{Approved: true}
			if length.span > 0 {
				return p.calendar(cmd.Context(), cfg, chosen, length.span, how)
			}
			return p.plan(cmd.Context(), cfg, chosen, how)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&domains, "domain", nil, "plan for this `domain` only; may be repeated")
	f.StringVar(&at, "at", "", "plan for this `time` (RFC 3339, such as 2026-12-24T04:00:00Z), with what is there now")
	f.Var(&length, "for", "list all steps of this `time` to come, such as 90d or 2160h")
	f.StringVar(&how.out, "out", "", "also write the plan to `FILE`, for 'dkimbot apply'")
	f.Var(&valid, "valid", "how long the plan may be applied, from now or from --at: a `time` of at most 30d")
	f.BoolVar(&how.detailed, "detailed-exitcode", false, "exit with 2 when changes are pending")
	allFlag(cmd, &how.whole)
	p.formFlag(cmd, &how.form)
	return cmd
}

// planning says what kind of plan is wanted.
type planning struct {
	when     time.Time     // zero: now
	out      string        // the file to save it in; "": none
	valid    time.Duration // how long it may be applied; 0: as long as is usual
	form     string        // how it is printed
	detailed bool
	whole    bool           // each domain by itself, however many there are
	due      bool           // only domains that have something to do
	req      rotate.Request // Approved: the plan as it will be when somebody approves and applies it
	beside   others
	warnings []string // of what concerns no single domain
}

// plan is what plan and rotate --dry-run have in common.
func (p *program) plan(ctx context.Context, cfg *config.Config, domains []rotate.Domain, how planning) error {
	a, err := app.OpenReadOnly(ctx, cfg, how.when)
	if err != nil {
		return err
	}
	defer a.Close()
	if how.due {
		if domains, err = scheduler.Pending(ctx, a.Queue, a.Planner.Clock.Now(), domains, how.req); err != nil {
			return err
		}
	}
	plans, err := a.Plan(ctx, domains, how.req)
	if ctx.Err() != nil {
		fmt.Fprintln(p.Err, "Interrupted. Nothing was changed.")
		return exitCode(exitError)
	}
	if err != nil {
		return err
	}
	if how.warnings, err = beyondCounts(ctx, a, plans, how.req.Ignore); err != nil {
		return err
	}
	if how.beside, err = findOthers(ctx, a, how.due, domains); err != nil {
		return err
	}
	how.warnings = append(how.warnings, show.UnlistedWarnings(how.beside.unlisted)...)
	if err := how.signable(a); err != nil {
		return err
	}
	about := planfile.Context{Created: time.Now(), For: a.Planner.Clock.Now(), Valid: how.valid,
		ConfigSHA256: cfg.Digest(), Lineage: a.Lineage, Key: a.PlanKey, DomainSHA256: map[string]string{},
		Warnings: how.warnings}
	if how.when.IsZero() {
		about.For = about.Created
	}
	for _, d := range domains {
		about.DomainSHA256[d.Name] = cfg.DomainDigest(d.Name)
	}
	if err := p.showPlan(planfile.New(about, plans), plans, how); err != nil {
		return err
	}
	return planExit(plans, how.beside, how.detailed)
}

// signable refuses to save a plan that could not be applied, because the state has no
// key to sign it with.
func (how *planning) signable(a *app.App) error {
	if a.Lineage == "" || len(a.PlanKey) > 0 {
		return nil
	}
	err := fault.Lasting("sign the plan: an older dkimbot made the state database, and it has no key for plans yet", nil,
		"run a command that writes, such as 'dkimbot rotate --due', once: it makes the key")
	if how.out != "" {
		return err
	}
	if how.form == formJSON {
		how.warnings = append(how.warnings, "this plan can't be applied later: "+err.Error())
	}
	return nil
}

func (p *program) showPlan(doc planfile.Document, plans []rotate.DomainPlan, how planning) error {
	if how.out != "" {
		if err := planfile.WriteFile(how.out, doc); err != nil {
			return err
		}
	}
	switch how.form {
	case formJSON:
		_, err := p.Out.Write(doc.Encode())
		return err
	case formMarkdown:
		show.Markdown{W: p.Out, Now: doc.PlannedFor}.Plan(doc, show.PlanStaleness{}, how.whole)
		return nil
	}
	t := p.text(p.Out, p.OutTTY)
	t.Now = doc.PlannedFor
	t.Plans(plans, how.whole)
	p.retries(t, how.beside.waiting)
	t.Warnings(how.warnings)
	t.PlanSummary(doc.Summary)
	if how.out != "" {
		t.Saved(doc, how.out)
	}
	return nil
}

// calendar prints what is to come for the domains.
func (p *program) calendar(ctx context.Context, cfg *config.Config, domains []rotate.Domain, length time.Duration,
	how planning) error {
	a, err := app.OpenReadOnly(ctx, cfg, time.Time{})
	if err != nil {
		return err
	}
	defer a.Close()
	from := a.Planner.Clock.Now()
	outlooks, err := a.Forecast(ctx, domains, from, length)
	if ctx.Err() != nil {
		fmt.Fprintln(p.Err, "Interrupted. Nothing was changed.")
		return exitCode(exitError)
	}
	if err != nil {
		return err
	}
	doc, failed, refused := report.NewCalendar(from, from.Add(length), outlooks), 0, 0
	for _, o := range outlooks {
		if o.Stop != nil {
			failed++
			if fault.KindOf(o.Stop) == fault.Refused {
				refused++
			}
		}
	}
	switch how.form {
	case formJSON:
		err = report.JSON(p.Out, doc)
	case formMarkdown:
		show.Markdown{W: p.Out, Now: from}.Calendar(doc, how.whole)
	default:
		p.text(p.Out, p.OutTTY).Calendar(doc, how.whole)
	}
	if code := outcome(len(outlooks), failed, refused); err == nil && code != exitDone {
		return exitCode(code)
	}
	return err
}

// planExit tells by the exit code what the plans say.
func planExit(plans []rotate.DomainPlan, beside others, detailed bool) error {
	stopped, refused := beside.failing()
	pending := false
	for _, plan := range plans {
		pending = pending || len(plan.Steps) > 0
		if plan.Stop != nil {
			stopped++
			if fault.KindOf(plan.Stop) == fault.Refused {
				refused++
			}
		}
	}
	if code := outcome(max(len(plans), beside.all), stopped, refused); code != exitDone {
		return exitCode(code)
	}
	if pending && detailed {
		return exitCode(exitPending)
	}
	return nil
}

// outcome returns the exit code for a run over several domains.
func outcome(all, failed, refused int) int {
	switch {
	case failed == 0:
		return exitDone
	case failed < all:
		return exitPartial
	case refused == failed:
		return exitRefused
	}
	return exitError
}

func planTime(at string) (time.Time, error) {
	if at == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, at); err == nil && t.Before(time.Now().Add(longest)) {
			return t, nil
		}
	}
	return time.Time{}, errors.New("--at " + at + " is not a time: write it like 2026-12-24T04:00:00Z")
}

// choose returns the named domains of the configuration, or all when none is named.
func choose(cfg *config.Config, names []string) ([]rotate.Domain, error) {
	if len(names) == 0 {
		return cfg.RotateDomains(), nil
	}
	var out []rotate.Domain
	seen := map[string]bool{}
	for _, name := range names {
		d, err := cfg.Domain(name)
		if err != nil {
			return nil, err
		}
		if !seen[d.Name] {
			out = append(out, d.Domain)
		}
		seen[d.Name] = true
	}
	return out, nil
}
