// Package inspect has the commands that change nothing, each in a file, and what they share with the dry runs of
// package act: how plans are made, printed and saved.
package inspect

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/scheduler"
)

// Planning shows a plan of some kind.
type Planning struct {
	*console.Program
	Request  rotate.Request // Approved: the plan as it will be when somebody approves and applies it
	Form     string         // how it is printed
	File     string         // to save it in; "": none
	Detailed bool           // the exit code says whether changes are pending
	Due      bool           // only domains that have something to do

	when     time.Time     // zero: now
	valid    time.Duration // how long it may be applied; 0: as long as is usual
	whole    bool          // each domain by itself, however many there are
	beside   console.Others
	warnings []string // of what concerns no single domain
}

// Show plans for the domains, and shows the plan.
func (how Planning) Show(ctx context.Context, cfg *config.Config, domains []rotate.Domain) error {
	a, err := app.OpenReadOnly(ctx, cfg, how.when)
	if err != nil {
		return err
	}
	defer a.Close()
	if how.Due {
		if domains, err = scheduler.Pending(ctx, a.Queue, a.Planner.Clock.Now(), domains, how.Request); err != nil {
			return err
		}
	}
	plans, err := a.Plan(ctx, domains, how.Request)
	if ctx.Err() != nil {
		return how.Unchanged()
	}
	if err != nil {
		return err
	}
	if how.warnings, err = beyondCounts(ctx, a, plans, how.Request.Ignore); err != nil {
		return err
	}
	if how.beside, err = console.FindOthers(ctx, a, how.Due, domains); err != nil {
		return err
	}
	how.warnings = append(how.warnings, show.UnlistedWarnings(how.beside.Unlisted)...)
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
	if err := how.Print(planfile.New(about, plans), plans); err != nil {
		return err
	}
	return PlanExit(plans, how.beside, how.Detailed)
}

// signable refuses to save a plan that could not be applied, because the state has no
// key to sign it with.
func (how *Planning) signable(a *app.App) error {
	if a.Lineage == "" || len(a.PlanKey) > 0 {
		return nil
	}
	err := fault.Lasting("sign the plan: an older dkimbot made the state database, and it has no key for plans yet", nil,
		"run a command that writes, such as 'dkimbot rotate --due', once: it makes the key")
	if how.File != "" {
		return err
	}
	if how.Form == console.FormJSON {
		how.warnings = append(how.warnings, "this plan can't be applied later: "+err.Error())
	}
	return nil
}

// Print writes a plan that was made, and saves it where that is asked for.
func (how Planning) Print(doc planfile.Document, plans []rotate.DomainPlan) error {
	if how.File != "" {
		if err := planfile.WriteFile(how.File, doc); err != nil {
			return err
		}
	}
	switch how.Form {
	case console.FormJSON:
		_, err := how.Out.Write(doc.Encode())
		return err
	case console.FormMarkdown:
		show.Markdown{W: how.Out, Now: doc.PlannedFor}.Plan(doc, report.PlanStaleness{}, how.whole)
		return nil
	}
	t := how.Text()
	t.Now = doc.PlannedFor
	t.Plans(plans, how.whole)
	how.beside.Retries(t)
	t.Warnings(how.warnings)
	t.PlanSummary(doc.Summary)
	if how.File != "" {
		t.Saved(doc, console.Quoted(how.File))
	}
	return nil
}

// PlanExit says by the exit code what the plans say.
func PlanExit(plans []rotate.DomainPlan, beside console.Others, detailed bool) error {
	stopped, refused := beside.Failing()
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
	err := console.Ended(max(len(plans), beside.All), stopped, refused)
	if err == nil && pending && detailed {
		return console.Exit(console.ExitPending)
	}
	return err
}
