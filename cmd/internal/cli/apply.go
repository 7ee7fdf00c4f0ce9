package cli

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

func (p *program) applyCommand() *cobra.Command {
	var (
		wait   bool
		ignore *rotate.Ignore
	)
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Carry out a saved plan, exactly and once",
		Long: `Carry out a saved plan, exactly and once.

Takes the steps of the plan and no others. If anything has changed for a domain since the
plan was made (its state, a record, a key, a signer, its configuration), that domain is
refused by name and nothing is done for it. The others proceed. A plan can't be applied
twice, and not after it has expired. If nothing was started for a domain, because of a
hook, a limit or a failure, the plan can be applied again.

Stays for waits of up to a minute; with --wait, of up to an hour. After longer waits, such
as a drain, 'dkimbot rotate --due' and the daemon continue. Ctrl-C finishes the step in
progress.`,
		Example: `  dkimbot plan --out plan.json
  dkimbot show plan.json
  dkimbot apply plan.json --wait`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			doc, err := planfile.ReadFile(args[0])
			if err != nil {
				return p.notifyRefusal(cmd, cfg, err)
			}
			if err := doc.Refusal(doc.Timely(time.Now())); err != nil {
				return p.notifyRefusal(cmd, cfg, err)
			}
			lineage, key, err := app.Origin(cmd.Context(), cfg)
			if err != nil {
				return p.notifyRefusal(cmd, cfg, err)
			}
			if err := doc.Refusal(cmp.Or(doc.SameState(lineage), doc.Genuine(key))); err != nil {
				return p.notifyRefusal(cmd, cfg, err)
			}
			if doc.Signature == "" {
				doc = doc.Plain()
			}
			return p.notifyRefusal(cmd, cfg, p.apply(cmd, cfg, doc, *ignore, patienceOf(wait)))
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "stay for waits of up to an hour, and retry what may pass by itself")
	ignore = ignoreFlags(cmd)
	p.jsonFlag(cmd)
	return cmd
}

func (p *program) apply(cmd *cobra.Command, cfg *config.Config, doc planfile.Document, ignore rotate.Ignore,
	patience engine.Patience) error {
	tasks, results := approved(cfg, doc, ignore)
	refused := map[string]error{}
	for _, r := range results {
		if !p.json {
			p.text(p.Out, p.OutTTY).Applied(r)
		}
		refused[r.Domain] = r.Err
	}
	defer p.notifyRefusals(cmd, cfg, refused)
	if len(tasks) > 0 {
		if err := p.carryOut(cmd, cfg, tasks, patience, &results); err != nil {
			return err
		}
	}
	if err := p.endApply(doc, results); err != nil {
		return err
	}
	if cmd.Context().Err() != nil {
		return p.interrupted(results, "what was begun, 'dkimbot rotate --due' and the daemon carry on; "+
			"for domains that were not begun the plan still holds: "+p.resumeHint(nil))
	}
	return rotateExit(results)
}

// carryOut settles approved tasks, and keeps their results.
func (p *program) carryOut(cmd *cobra.Command, cfg *config.Config, tasks []engine.Task, patience engine.Patience,
	results *[]engine.Result) error {
	s, err := p.open(cmd, cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, t := range tasks {
		s.tell.expect([]rotate.Domain{t.Domain})
	}
	s.Engine.SettleAll(cmd.Context(), tasks, patience, s.tell.waiting, p.into(results, s.tell, show.Text.Applied))
	return nil
}

// endApply tells the results, all at once for programs, in the order of the plan.
func (p *program) endApply(doc planfile.Document, results []engine.Result) error {
	if !p.json {
		p.afterApply(doc, results)
		return nil
	}
	at := make(map[string]int, len(doc.Domains))
	for i, d := range doc.Domains {
		at[d.Name] = i
	}
	slices.SortFunc(results, func(a, b engine.Result) int { return at[a.Domain] - at[b.Domain] })
	return report.JSON(p.Out, report.NewApply(doc.PlanID, results))
}

// approved returns what is to be carried out, and the results for domains that are
// refused without a look at the world.
func approved(cfg *config.Config, doc planfile.Document,
	ignore rotate.Ignore) (out []engine.Task, refused []engine.Result) {
	for _, d := range doc.Domains {
		want, err := cfg.Domain(d.Name)
		switch why := d.SameConfig(cfg.DomainDigest(d.Name)); {
		case why != nil:
			refused = append(refused, engine.Result{Domain: d.Name,
				Err: approval.Stale(doc.PlanID, d.Name, []rotate.Reason{*why})})
		case err != nil:
			refused = append(refused, engine.Result{Domain: d.Name, Err: err})
		case d.Problem != nil && len(d.Steps) == 0:
			refused = append(refused, engine.Result{Domain: d.Name, Err: doc.Unplanned(d)})
		default:
			approval := doc.Approval(d)
			out = append(out, engine.Task{Domain: want.Domain, Request: rotate.Request{Ignore: ignore}, Approval: &approval})
		}
	}
	return out, refused
}

// afterApply says what a person may wonder about after the results.
func (p *program) afterApply(doc planfile.Document, results []engine.Result) {
	if len(results) == 0 {
		fmt.Fprintln(p.Out, "The plan holds no domains.")
	}
	begun := slices.ContainsFunc(results, func(r engine.Result) bool {
		return r.State.Phase != "" && r.State.Phase != rotate.New && r.State.Phase != rotate.Ready
	})
	if begun {
		fmt.Fprintln(p.Out, "Waiting, see above. "+
			"'dkimbot rotate --due' and the daemon continue when the wait ends.")
	}
	holds := 0
	for _, r := range results {
		if r.Holds {
			holds++
		}
	}
	if holds > 0 {
		fmt.Fprintf(p.Out, "The plan still holds for %s, until %s: %s\n", report.Count(holds, "domain"),
			doc.ExpiresAt.UTC().Format(time.RFC3339), p.resumeHint(nil))
	}
}
