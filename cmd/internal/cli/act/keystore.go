package act

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
)

// Keystore returns the command "keystore".
func Keystore(p *console.Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keystore",
		Short: "Copy the private keys into another keystore",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(keystoreCopy(p))
	return cmd
}

func keystoreCopy(p *console.Program) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "copy --to FILE",
		Short: "Copy every private key that the state knows into the keystore of another configuration",
		Long: `Copy every private key that the state knows into the keystore of another configuration.

FILE is the configuration as it is to be, with the new keystore: files or Vault. Each key is
written under the number that it has now, and read back. Nothing else is changed, so mail
is signed as before. Interrupted, or run again, it copies what is missing.

To move: stop the daemon and timers, run this, put FILE in the place of the configuration,
look at 'dkimbot plan', and start again. Then remove the old keystore: it still holds the
keys. To move back, do the same the other way round, with an empty directory or prefix.`,
		Example: `  dkimbot keystore copy --to /etc/dkimbot/vault.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return console.Wrong(cmd, errors.New("keystore copy needs --to"))
			}
			cfg, err := p.Load()
			if err != nil {
				return err
			}
			other, err := config.LoadToWork(to)
			if err != nil {
				return err
			}
			done, err := app.CopyKeys(cmd.Context(), cfg, other)
			if err != nil {
				return err
			}
			if p.JSON {
				return report.JSON(p.Out, report.NewCopiedKeys(done.Copied, done.There))
			}
			_, err = fmt.Fprintf(p.Out, "%s copied, %d there already; all were read back.\n",
				report.Count(done.Copied, "key"), done.There)
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the configuration `file` that names the new keystore")
	p.JSONFlag(cmd)
	return cmd
}
