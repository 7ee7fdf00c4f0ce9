package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

func (p *program) planCommand() *cobra.Command {
	var (
		domains  []string
		at, out  string
		detailed bool
	)
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what would be done now, or at another time, and why; change nothing",
		Long: `Say what would be done now, or at another time, and why; change nothing.

Looks at DNS, the keystore, the signers and the state, and shows each step with its
target, what is there before and after, the reason, and the earliest time at which it
may run. Only --out writes, and only that file.`,
		Example: `  dkimbot plan
  dkimbot plan --domain example.com --at 2026-12-24T04:00:00Z
  dkimbot plan --json --detailed-exitcode`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			when, err := planTime(at)
			if err != nil {
				return &usageError{error: err, command: cmd.CommandPath()}
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			chosen, err := choose(cfg, domains)
			if err != nil {
				return err
			}
			return p.plan(cmd.Context(), cfg, chosen, planning{when: when, out: out, detailed: detailed})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&domains, "domain", nil, "plan for this `domain` only; may be repeated")
	f.StringVar(&at, "at", "", "plan for this `time` (RFC 3339, such as 2026-12-24T04:00:00Z) with what is there now")
	f.StringVar(&out, "out", "", "write the plan to `FILE` as JSON as well")
	f.BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 when changes are pending")
	p.jsonFlag(cmd)
	return cmd
}

// planning says what kind of plan is wanted.
type planning struct {
	when     time.Time // zero: now
	out      string
	detailed bool
	due      bool // only domains that have something to do
}

// plan is what plan and rotate --dry-run have in common.
func (p *program) plan(ctx context.Context, cfg *config.Config, domains []rotate.Domain, how planning) error {
	a, err := app.OpenReadOnly(ctx, cfg, how.when)
	if err != nil {
		return err
	}
	defer a.Close()
	if how.due {
		if domains, err = rotate.Pending(ctx, a.Queue, a.Planner.Clock.Now(), domains); err != nil {
			return err
		}
	}
	plans, err := a.Plan(ctx, domains)
	if ctx.Err() != nil {
		fmt.Fprintln(p.Err, "Interrupted. Nothing was changed.")
		return exitCode(exitError)
	}
	if err != nil {
		return err
	}
	doc := show.NewPlan(show.PlanContext{Created: time.Now(), For: a.Planner.Clock.Now(), ConfigSHA256: cfg.Digest(), Lineage: a.Lineage}, plans)
	if err := p.showPlan(doc, plans, how); err != nil {
		return err
	}
	return planExit(plans, how.detailed)
}

func (p *program) showPlan(doc show.PlanDocument, plans []rotate.DomainPlan, how planning) error {
	if how.out != "" {
		var b bytes.Buffer
		if err := show.JSON(&b, doc); err != nil {
			return err
		}
		if err := renameio.WriteFile(how.out, b.Bytes(), 0o600); err != nil {
			if temp := (*fs.PathError)(nil); errors.As(err, &temp) {
				err = temp.Err // without the name of a temporary file
			}
			return fault.Lasting("write the plan to "+how.out, err, "name a file in a directory that you may write to")
		}
	}
	if p.json {
		return show.JSON(p.Out, doc)
	}
	t := p.text(p.Out, p.OutTTY)
	t.Now = doc.PlannedFor
	for _, plan := range plans {
		t.Plan(plan)
	}
	t.PlanSummary(doc.Summary)
	return nil
}

// planExit tells by the exit code what the plans say.
func planExit(plans []rotate.DomainPlan, detailed bool) error {
	stopped, refused, pending := 0, 0, false
	for _, plan := range plans {
		pending = pending || len(plan.Steps) > 0
		if plan.Stop != nil {
			stopped++
			if fault.KindOf(plan.Stop) == fault.Refused {
				refused++
			}
		}
	}
	if code := outcome(len(plans), stopped, refused); code != exitDone {
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
		if t, err := time.Parse(layout, at); err == nil {
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
