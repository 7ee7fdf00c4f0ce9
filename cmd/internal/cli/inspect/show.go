package inspect

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Show returns the command "show".
func Show(p *console.Program) *cobra.Command {
	var (
		form  string
		whole bool
	)
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a saved plan, and whether it is still valid; change nothing",
		Long: `Show a saved plan, and whether it is still valid; change nothing.

Prints what 'dkimbot plan' printed when the plan was saved. Says for each domain what has
changed since then: the state, a record, a key, a signer, the configuration. It also shows
plans that are stale, expired or applied, and works without configuration, state or DNS.`,
		Example: `  dkimbot show plan.json
  dkimbot show plan.json --format markdown
  dkimbot show plan.json --all`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := p.Form(cmd, form, console.PlanForms)
			if err != nil {
				return err
			}
			doc, err := planfile.ReadFile(args[0])
			if err != nil {
				return err
			}
			doc, is, err := savedPlan{p, doc}.checked(cmd.Context())
			if err := cmp.Or(cmd.Context().Err(), err); err != nil {
				return err
			}
			now := time.Now()
			if doc.PlannedFor.After(now) {
				now = doc.PlannedFor
			}
			switch form {
			case console.FormJSON:
				return report.JSON(p.Out, report.NewSavedPlan(doc, doc.Names(), is))
			case console.FormMarkdown:
				show.Markdown{W: p.Out, Now: now}.Plan(doc, is, whole)
			default:
				p.Text().SavedPlan(doc, is, whole)
			}
			return nil
		},
	}
	console.AllFlag(cmd, &whole)
	p.FormFlag(cmd, &form)
	return cmd
}

// savedPlan is a plan that was read.
type savedPlan struct {
	*console.Program
	planfile.Document
}

// checked returns the plan with what is known to be dkimbot's own words, and says whether
// it still holds. What keeps that from being found out is part of the answer, not an
// error; a plan that was tampered with is refused.
func (s savedPlan) checked(ctx context.Context) (planfile.Document, report.PlanStaleness, error) {
	doc := s.Document
	is := report.PlanStaleness{Domains: map[string]report.Staleness{}, Unsigned: true}
	is.Whole.Add(doc.Timely(time.Now()))
	unchecked := func(err error) (planfile.Document, report.PlanStaleness, error) {
		is.Whole.Unchecked = err
		return doc.Plain(), is, nil
	}
	cfg, err := config.Load(s.ConfigPath)
	if err != nil {
		return unchecked(err)
	}
	a, err := app.OpenReadOnly(ctx, cfg, time.Time{})
	if err != nil {
		return unchecked(err)
	}
	defer a.Close()
	why := cmp.Or(doc.SameState(a.Lineage), doc.Genuine(a.PlanKey))
	if why != nil && why.Code == codes.Tampered {
		return doc, is, doc.Refusal(why)
	}
	is.Whole.Add(why)
	is.Unsigned = why != nil || doc.Signature == ""
	shown, err := s.compared(ctx, cfg, a, is)
	if err != nil && is.Unsigned {
		return unchecked(err)
	}
	is.Whole.Unchecked = err
	return shown, is, nil
}

// compared notes in is what has changed for each domain, and returns the plan as it is to
// be shown: with its own words if it is signed, else with those of a plan made now.
func (s savedPlan) compared(ctx context.Context, cfg *config.Config, a *app.App,
	is report.PlanStaleness) (planfile.Document, error) {
	doc := s.Document
	var listed []rotate.Domain
	asked := map[string]rotate.Request{}
	for _, d := range doc.Domains {
		if why := d.SameConfig(cfg.DomainDigest(d.Name)); why != nil {
			is.Domains[d.Name] = report.Staleness{Reasons: []rotate.Reason{*why}}
		}
		if c, err := cfg.Domain(d.Name); err == nil {
			asked[d.Name] = d.Request()
			listed = append(listed, c.Domain)
		}
	}
	surveys, err := a.Survey(ctx, listed, func(domain string) rotate.Request { return asked[domain] })
	if err != nil {
		return doc, err
	}
	at := map[string]app.Survey{}
	for _, s := range surveys {
		at[s.Want.Name] = s
	}
	shown := doc
	if is.Unsigned {
		shown = doc.Plain()
	}
	for i, d := range doc.Domains {
		s, ok := at[d.Name]
		if !ok {
			continue
		}
		if is.Unsigned {
			shown.Domains[i] = d.Rewritten(s.Plan)
		}
		why, unknown := doc.Approval(d).Stale(s.State, s.Plan.Seen)
		is.Domains[d.Name] = report.Staleness{Reasons: append(is.Domains[d.Name].Reasons, why...), Unchecked: unknown}
	}
	return shown, nil
}
