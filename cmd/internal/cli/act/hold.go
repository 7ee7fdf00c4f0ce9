package act

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/rotate"
)

// Hold returns the command "hold".
func Hold(p *console.Program) *cobra.Command {
	return holding(p, rotate.Hold{}, &cobra.Command{
		Use:   "hold --domain D...",
		Short: "Put a domain on hold: no switch begins until 'unhold'",
		Long: `Put a domain on hold: no switch begins until 'unhold'.

Neither the schedule nor 'dkimbot rotate --domain D' switches it to the other selector.
Everything else continues: a rotation under way, the creation of new keys, repairs, and the
replacement of a compromised key. 'dkimbot status' and 'dkimbot plan' say that the domain is
on hold, and since when.

After a rollback of all signers a domain is on hold by itself: the schedule does not switch
to the key that signers came back from. This hold ends by 'dkimbot rotate --domain D', too, which
switches to that key now. 'dkimbot unhold --domain D' leaves it to the schedule.`,
		Example: `  dkimbot hold --domain example.com`,
	})
}

// Unhold returns the command "unhold".
func Unhold(p *console.Program) *cobra.Command {
	return holding(p, rotate.Unhold{}, &cobra.Command{
		Use:   "unhold --domain D...",
		Short: "End the hold of a domain: the schedule continues",
		Long: `End the hold of a domain: the schedule continues.

Also ends the hold that a rollback has left. A rotation that became due in the meantime starts
at once. See it first with --dry-run.`,
		Example: `  dkimbot unhold --domain example.com --dry-run
  dkimbot unhold --domain example.com`,
	})
}

// holding completes a command that puts domains on hold, or ends that.
func holding(p *console.Program, what rotate.Instruction, cmd *cobra.Command) *cobra.Command {
	var (
		domains []string
		dryRun  bool
	)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(domains) == 0 {
			return console.Wrong(cmd, errors.New(cmd.Name()+" needs --domain"))
		}
		return instruct(p, cmd, job{choose: console.Choose, names: domains,
			request: rotate.Request{Named: true, Instruction: what}, dryRun: dryRun})
	}
	f := cmd.Flags()
	usage := "put this `domain` on hold; may be repeated"
	if what == (rotate.Unhold{}) {
		usage = "end the hold of this `domain`; may be repeated"
	}
	f.StringArrayVar(&domains, "domain", nil, usage)
	f.BoolVar(&dryRun, "dry-run", false, "show the plan and do nothing")
	p.JSONFlag(cmd)
	return cmd
}
