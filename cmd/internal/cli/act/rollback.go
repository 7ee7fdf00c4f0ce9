package act

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/rotate"
)

// Rollback returns the command "rollback".
func Rollback(p *console.Program) *cobra.Command {
	var (
		domains, signers []string
		dryRun, wait     bool
	)
	cmd := &cobra.Command{
		Use:   "rollback --domain D...",
		Short: "Go back to the selector that signed before, while its record is still published",
		Long: `Go back to the selector that signed before, while its record is still published.

Works while a domain is switching or draining, at once and without waiting for DNS: the old
key record is still published. When all signers have gone back, the domain is ready as it
was before the switch, and on hold: the schedule does not switch to that key again until
'dkimbot rotate --domain D' or 'dkimbot unhold --domain D' says so.

With --signer only those signers go back, and stay there; nothing is replaced in the
meantime. 'dkimbot rotate --domain D' continues the switch for all.

Once the old key is being replaced, it is too late to go back. The refusal says what to do.`,
		Example: `  dkimbot rollback --domain example.com
  dkimbot rollback --domain example.com --signer mx2`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(domains) == 0 {
				return console.Wrong(cmd, errors.New("rollback needs --domain"))
			}
			what := rotate.Rollback{Signers: signers}
			return instruct(p, cmd, job{choose: console.Choose, names: domains,
				request: rotate.Request{Named: true, Instruction: what}, dryRun: dryRun, wait: wait})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&domains, "domain", nil, "roll this `domain` back; may be repeated")
	f.StringArrayVar(&signers, "signer", nil, "send only this `signer` back; may be repeated")
	f.BoolVar(&dryRun, "dry-run", false, "show the plan and do nothing")
	f.BoolVar(&wait, "wait", false, "stay for waits of up to an hour, and retry what may pass by itself")
	p.JSONFlag(cmd)
	return cmd
}
