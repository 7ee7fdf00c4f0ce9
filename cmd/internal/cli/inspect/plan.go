package inspect

import (
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/spf13/cobra"
)

// planFlags is what the command line says of a plan.
type planFlags struct {
	Planning
	domains       []string
	at            string
	valid, length console.DurationFlag
}

// Plan returns the command "plan".
func Plan(p *console.Program) *cobra.Command {
	f := planFlags{
		Planning: Planning{Program: p},
		valid:    console.DurationFlag{Span: planfile.Life, Least: time.Minute, Most: planfile.MaxLife, Example: "72h"},
		length:   console.DurationFlag{Least: time.Hour, Most: longest, Example: "90d"},
	}
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
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(p, cmd) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.domains, "domain", nil, "plan for this `domain` only; may be repeated")
	fl.StringVar(&f.at, "at", "", "plan for this `time` (RFC 3339, such as 2026-12-24T04:00:00Z), with what is there now")
	fl.Var(&f.length, "for", "list all steps of this `time` to come, such as 90d or 2160h")
	fl.StringVar(&f.File, "out", "", "also write the plan to `FILE`, for 'dkimbot apply'")
	fl.Var(&f.valid, "valid", "how long the plan may be applied, from now or from --at: a `time` of at most 30d")
	fl.BoolVar(&f.Detailed, "detailed-exitcode", false, "exit with 2 when changes are pending")
	console.AllFlag(cmd, &f.whole)
	p.FormFlag(cmd, &f.Form)
	return cmd
}

// check finds flags that don't go together.
func (f *planFlags) check(given func(flag string) bool) error {
	switch {
	case given("for") && (given("at") || given("out") || given("valid") || given("detailed-exitcode")):
		return errors.New("--for lists what is to come; it goes with none of --at, --out, --valid and --detailed-exitcode")
	case given("valid") && !given("out") && f.Form != console.FormJSON:
		return errors.New("--valid says how long a saved plan may be applied: it needs --out or --json")
	}
	return nil
}

// run shows the plan, or the calendar, that is asked for.
func (f *planFlags) run(p *console.Program, cmd *cobra.Command) (err error) {
	if f.when, err = planTime(f.at); err != nil {
		return console.Wrong(cmd, err)
	}
	if f.Form, err = p.Form(cmd, f.Form, console.PlanForms); err != nil {
		return err
	}
	if err := f.check(cmd.Flags().Changed); err != nil {
		return console.Wrong(cmd, err)
	}
	cfg, err := p.Load()
	if err != nil {
		return err
	}
	chosen, err := console.Choose(cfg, f.domains)
	if err != nil {
		return err
	}
	f.Planning.valid, f.Request = f.valid.Span, rotate.Request{Approved: true}
	if f.length.Span > 0 {
		return f.calendar(cmd.Context(), cfg, chosen, f.length.Span)
	}
	return f.Show(cmd.Context(), cfg, chosen)
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
