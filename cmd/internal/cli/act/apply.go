package act

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// Apply returns the command "apply".
func Apply(p *console.Program) *cobra.Command {
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
wait, a hook, a limit or a failure, the plan can be applied again.

Stays for waits of up to a minute; with --wait, of up to an hour. After longer waits, such
as a drain, 'dkimbot rotate --due' and the daemon continue. Ctrl-C finishes the step in
progress.`,
		Example: `  dkimbot plan --out plan.json
  dkimbot show plan.json
  dkimbot apply plan.json --wait`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.Load()
			if err != nil {
				return err
			}
			r := run{Program: p, cmd: cmd, cfg: cfg}
			doc, err := r.readPlan(args[0])
			if err != nil {
				return r.refused(err)
			}
			return r.refused(r.apply(doc, *ignore, patienceOf(wait)))
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "stay for waits of up to an hour, and retry what may pass by itself")
	ignore = ignoreFlags(cmd)
	p.JSONFlag(cmd)
	return cmd
}

// readPlan reads a saved plan that may be carried out now.
func (r run) readPlan(path string) (planfile.Document, error) {
	doc, err := planfile.ReadFile(path)
	if err != nil {
		return doc, err
	}
	if err := doc.Refusal(doc.Timely(time.Now())); err != nil {
		return doc, err
	}
	lineage, key, err := app.Origin(r.cmd.Context(), r.cfg)
	if err != nil {
		return doc, err
	}
	if err := doc.Refusal(cmp.Or(doc.SameState(lineage), doc.Genuine(key))); err != nil {
		return doc, err
	}
	if doc.Signature == "" {
		doc = doc.Plain()
	}
	return doc, nil
}

// apply carries out what the plan says of each domain.
func (r run) apply(doc planfile.Document, ignore rotate.Ignore, patience engine.Patience) error {
	tasks, results := approved(r.cfg, doc, ignore)
	refused := map[string]error{}
	for _, one := range results {
		if !r.JSON {
			r.Text().Applied(one)
		}
		refused[one.Domain] = one.Err
	}
	defer r.NotifyRefusals(r.cmd, r.cfg, refused)
	if len(tasks) > 0 {
		if err := r.carryOut(tasks, patience, &results); err != nil {
			return err
		}
	}
	if err := r.endApply(doc, results); err != nil {
		return err
	}
	if r.cmd.Context().Err() != nil {
		return r.interrupted(results, "for domains that were not begun, the plan still holds: "+r.SameCommand(nil))
	}
	return exit(results, console.Others{}, nil)
}

// carryOut settles approved tasks, and keeps their results.
func (r run) carryOut(tasks []engine.Task, patience engine.Patience, results *[]engine.Result) error {
	s, err := r.Open(r.cmd, r.cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, t := range tasks {
		s.Progress.Expect([]rotate.Domain{t.Domain})
	}
	s.Engine.SettleAll(r.cmd.Context(), tasks, patience, s.Progress.Waiting, s.Into(results, show.Text.Applied))
	return nil
}

// endApply prints the results, all at once for programs, in the order of the plan.
func (r run) endApply(doc planfile.Document, results []engine.Result) error {
	if !r.JSON {
		r.afterApply(doc, results)
		return nil
	}
	at := make(map[string]int, len(doc.Domains))
	for i, d := range doc.Domains {
		at[d.Name] = i
	}
	slices.SortFunc(results, func(a, b engine.Result) int { return at[a.Domain] - at[b.Domain] })
	return r.Document(report.NewApply(doc.PlanID, results))
}

// approved returns what is to be carried out, and the results for domains that are
// refused without asking DNS, keystore or signers.
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
func (r run) afterApply(doc planfile.Document, results []engine.Result) {
	if len(results) == 0 {
		fmt.Fprintln(r.Out, "The plan holds no domains.")
	}
	begun := slices.ContainsFunc(results, func(r engine.Result) bool {
		return r.State.Phase != "" && r.State.Phase != rotate.New && r.State.Phase != rotate.Ready
	})
	if begun {
		fmt.Fprintln(r.Out, "Waiting, see above. "+
			"'dkimbot rotate --due' and the daemon continue when the wait ends.")
	}
	holds := 0
	for _, one := range results {
		if one.Holds {
			holds++
		}
	}
	if holds > 0 {
		fmt.Fprintf(r.Out, "The plan still holds for %s, until %s: %s\n", report.Count(holds, "domain"),
			calendar.Utc(doc.ExpiresAt), r.SameCommand(nil))
	}
}
