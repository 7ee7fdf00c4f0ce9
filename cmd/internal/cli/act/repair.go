package act

import (
	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/rotate"
)

// Repair returns the command "repair".
func Repair(p *console.Program) *cobra.Command {
	var (
		domains      []string
		dryRun, wait bool
	)
	cmd := &cobra.Command{
		Use:   "repair [--domain D...]",
		Short: "Check every domain now, and put back what is missing",
		Long: `Check every domain now, and put back what is missing.

The daemon and 'dkimbot rotate --due' look at each domain once an hour. This command
does not wait for that: after a move to a new host, a restored backup, or a mistake in DNS. A key
record that vanished is published again. A signer that lost its key gets it from the keystore.
Beside that, it takes the steps that are due, as 'dkimbot rotate --due' does. A record or key
that dkimbot did not make is reported and left alone.

It starts no rotation ahead of its schedule. Where nothing is missing, nothing is changed. Where a
signer, the keystore or DNS can't be asked, it ends with an error (exit code 1, or 4 for some domains).`,
		Example: `  dkimbot repair --dry-run                        # show what would be put back
  dkimbot repair
  dkimbot repair --domain example.com --wait`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return instruct(p, cmd, job{choose: console.Choose, names: domains,
				request: rotate.Request{Patient: true}, dryRun: dryRun, wait: wait, looks: true})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&domains, "domain", nil, "look only at this `domain`; may be repeated")
	f.BoolVar(&dryRun, "dry-run", false, "show the plan and do nothing")
	f.BoolVar(&wait, "wait", false, "stay for waits of up to an hour, and retry what may pass by itself")
	p.JSONFlag(cmd)
	return cmd
}
