package inspect

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
)

// Check returns the command "check".
func Check(p *console.Program) *cobra.Command {
	var domains []string
	form := console.FormText
	cmd := &cobra.Command{
		Use:   "check [--domain D...]",
		Short: "Ask every part for what the next rotation needs; change nothing",
		Long: `Ask every part for what the next rotation needs; change nothing.

Asks the state, the keystore, the DNS accounts, the name servers, the signers, the hooks
and the receivers of notices for the rights, files, programs and answers that a rotation
needs, and prints one line for each. Nothing is written, published, switched or reported.
Run it as the user that runs dkimbot: rights are asked for as that user.

DNS accounts and Vault are asked for changes that have no effect, such as to
remove a record that is not there: they look at the rights first. This does not prove
that a name server can write its zone, that a command works, or that OpenDKIM loads
what will be written; a switch proves these by itself.

Each signer that can be asked what it signs with is compared with what it confirmed: one
that answers, and lets mail through unsigned, fails.

Before the first key of a domain, 'dkimbot rotate' and the daemon ask the same of the
keystore, the DNS account and the signers. 'dkimbot plan' asks those that its steps concern,
but not for the right to write files.

A part that does not answer within half a minute is reported as such and holds up no other.

Exits with 0 when all is as needed, 3 when everything that is wrong is refused for safety,
4 when some domains are not affected, and otherwise 1.`,
		Example: `  dkimbot check
  dkimbot check --domain example.com --json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCheck(p, cmd, domains, form) },
	}
	cmd.Flags().StringArrayVar(&domains, "domain", nil, "only for this `domain`; may be repeated")
	cmd.Flags().StringVar(&form, "format", console.FormText, "print it as `FORM`: text or json")
	p.JSONFlag(cmd)
	return cmd
}

// runCheck asks every part that the domains need, and prints the answers as form.
func runCheck(p *console.Program, cmd *cobra.Command, domains []string, form string) error {
	form, err := p.Form(cmd, form, console.PlanForms)
	if err != nil {
		return err
	}
	if form == console.FormMarkdown {
		return console.Wrong(cmd, errors.New("--format markdown is for plans: use text or json"))
	}
	cfg, chosen, err := p.LoadFor(cmd, domains, console.Choose)
	if err != nil {
		return err
	}
	log, err := p.Log()
	if err != nil {
		return err
	}
	answers, err := app.Check(cmd.Context(), cfg, chosen, log)
	if err != nil {
		return p.Unchanged()
	}
	if doc := report.NewCheck(answers); form == console.FormJSON {
		err = report.JSON(p.Out, doc)
	} else {
		show.Preflight(p.Text(), doc, "the next rotation")
	}
	var names []string
	for _, d := range chosen {
		names = append(names, d.Name)
	}
	failed, refused := report.CheckedDomains(answers, names)
	if code := console.Outcome(len(names), failed, refused); err == nil && code != console.ExitDone {
		return console.Exit(code)
	}
	return err
}
