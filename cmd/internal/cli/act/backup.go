package act

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// Backup returns the command "backup".
func Backup(p *console.Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the state to a file, also while dkimbot works",
		Long: `Copy the state to a file, also while dkimbot works.

The copy shows the state as it is at one moment. FILE must not be there yet. It is one
SQLite database with mode 0600, because it holds the secret that saved plans are signed with.

It does not hold the private keys. With a keystore in files, copy the keystore's directory
after the state, as the output says. With Vault, back up Vault.

'dkimbot restore FILE' puts the state back.`,
		Example: `  dkimbot backup /var/backups/dkimbot-$(date +%F).db`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.Load()
			if err != nil {
				return err
			}
			what, err := app.Backup(cmd.Context(), cfg, args[0])
			if err != nil {
				return err
			}
			if p.JSON {
				return report.JSON(p.Out, report.NewCopy(args[0], what.Domains, what.LastChange))
			}
			_, err = fmt.Fprintf(p.Out, "%s holds the state of %s%s.\n%s", args[0], report.Count(what.Domains, "domain"),
				asOf(what), keysApart(cfg))
			return err
		},
	}
	p.JSONFlag(cmd)
	return cmd
}

// Restore returns the command "restore".
func Restore(p *console.Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Create the state from a backup, where there is none",
		Long: `Create the state from a backup, where there is none.

FILE is a copy that 'dkimbot backup' made. Nothing may stand at state.path: stop every
dkimbot first, and move an old state away. Put the private keys back too.

Where something was rotated after the backup was made, the state is older than DNS and the
keystore. dkimbot notices it, refuses that domain and changes nothing. Then look
at what 'dkimbot adopt --domain D --from-keystore --dry-run' would take over, and
run it without --dry-run.`,
		Example: `  dkimbot restore /var/backups/dkimbot-2026-11-01.db
  dkimbot plan                              # shows which domains have moved on since then`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.Load()
			if err != nil {
				return err
			}
			what, err := app.Restore(cmd.Context(), cfg, args[0])
			if err != nil {
				return err
			}
			if p.JSON {
				return report.JSON(p.Out, report.NewCopy(cfg.State.Path, what.Domains, what.LastChange))
			}
			_, err = fmt.Fprintf(p.Out, "%s holds the state of %s%s.\nTo see what has changed since then: dkimbot plan\n",
				cfg.State.Path, report.Count(what.Domains, "domain"), asOf(what))
			return err
		},
	}
	p.JSONFlag(cmd)
	return cmd
}

func asOf(what sqlite.Copied) string {
	if what.LastChange.IsZero() {
		return ""
	}
	return ", last changed " + calendar.Utc(what.LastChange)
}

// keysApart says where the keys are, which the copy does not hold.
func keysApart(cfg *config.Config) string {
	if cfg.Keystore.Driver != "file" {
		return "The private keys are in Vault: back it up, too.\n"
	}
	return "The private keys are not in it: copy the directory " + cfg.Keystore.Path + ", too.\n"
}
