package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
)

func (p *program) showCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a saved plan, and whether it still holds; change nothing",
		Long: `Show a saved plan, and whether it still holds; change nothing.

Prints what 'dkimbot plan' printed when the plan was saved, and says for each domain what
has changed since, if anything has: the state, a record, a key, a signer, the
configuration. A plan that is stale, expired or applied can be shown as well, also where
the configuration, the state or DNS is out of reach.`,
		Example: `  dkimbot show plan.json
  dkimbot show plan.json --format markdown`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := p.form(cmd, form)
			if err != nil {
				return err
			}
			doc, err := planfile.ReadFile(args[0])
			if err != nil {
				return err
			}
			is := p.staleness(cmd.Context(), doc)
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			now := time.Now()
			if doc.PlannedFor.After(now) {
				now = doc.PlannedFor
			}
			switch form {
			case formJSON:
				return show.JSON(p.Out, show.NewSavedPlan(doc, is))
			case formMarkdown:
				show.Markdown{W: p.Out, Now: now}.Plan(doc, is)
			default:
				t := p.text(p.Out, p.OutTTY)
				t.Now = now
				t.SavedPlan(doc, is)
			}
			return nil
		},
	}
	p.formFlag(cmd, &form)
	return cmd
}

// staleness says whether the plan still holds. What keeps that from being found out
// is part of the answer, not an error.
func (p *program) staleness(ctx context.Context, doc planfile.Document) show.PlanStaleness {
	is := show.PlanStaleness{Domains: map[string]show.Staleness{}}
	tell := func(why *rotate.Reason) {
		if why != nil {
			is.Whole.Reasons = append(is.Whole.Reasons, *why)
		}
	}
	tell(doc.Timely(time.Now()))
	cfg, err := config.Load(p.config)
	if err != nil {
		is.Whole.Unchecked = err
		return is
	}
	a, err := app.OpenReadOnly(ctx, cfg, time.Time{})
	if err != nil {
		is.Whole.Unchecked = err
		return is
	}
	defer a.Close()
	tell(doc.SameState(a.Lineage))
	var listed []rotate.Domain
	for _, d := range doc.Domains {
		if why := d.SameConfig(cfg.DomainDigest(d.Name)); why != nil {
			is.Domains[d.Name] = show.Staleness{Reasons: []rotate.Reason{*why}}
		}
		if c, err := cfg.Domain(d.Name); err == nil {
			listed = append(listed, c.Domain)
		}
	}
	surveys, err := a.Survey(ctx, listed)
	if err != nil {
		is.Whole.Unchecked = err
		return is
	}
	at := map[string]app.Survey{}
	for _, s := range surveys {
		at[s.Want.Name] = s
	}
	for _, d := range doc.Domains {
		if s, ok := at[d.Name]; ok {
			why, unknown := doc.Approval(d).Stale(s.State, s.Plan.Seen)
			is.Domains[d.Name] = show.Staleness{Reasons: append(is.Domains[d.Name].Reasons, why...), Unchecked: unknown}
		}
	}
	return is
}
