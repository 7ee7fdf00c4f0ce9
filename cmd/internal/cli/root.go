package cli

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/act"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/daemon"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/inspect"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/onhost"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
)

func root(p *console.Program) *cobra.Command {
	root := &cobra.Command{
		Use:   "dkimbot",
		Short: "Rotate DKIM keys without ever breaking mail",
		Long: `dkimbot rotates DKIM keys without ever breaking mail.

Each domain has two selectors, and both always have a key record in DNS. A rotation
switches all signers to the other selector, waits seven days until no mail in flight
needs the old key, and then replaces the old key, so that it is ready next time.

Exit codes: 0 done, or nothing to do; 1 error; 2 changes are pending (only with
--detailed-exitcode); 3 refused for safety; 4 some domains are done, some failed;
64 the command line is wrong.

'dkimbot man' lists the manual pages.`,
		Example: `  dkimbot validate                          # check the configuration
  dkimbot plan                              # show what would be done now, and why
  dkimbot rotate --domain example.com       # start a rotation, or continue the one in progress
  dkimbot daemon                            # run the schedule`,
		Version:       console.Version(),
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			p.Command, p.Args = cmd, args
			_, err := p.Log()
			return err
		},
	}
	root.SetVersionTemplate("dkimbot {{.Version}}\n")
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	f := root.PersistentFlags()
	f.StringVar(&p.ConfigPath, "config", cmp.Or(p.Env(config.PathVariable), config.DefaultPath),
		"configuration `file` (also "+config.PathVariable+")")
	f.BoolVar(&p.NoColor, "no-color", false, "never use colour (also NO_COLOR)")
	f.StringVar(&p.LogFormat, "log-format", "text", "how logs are written to standard error: text or json")
	f.StringVar(&p.LogLevel, "log-level", "info", "the lowest level that is logged: debug, info, warn or error")
	root.AddCommand(act.Init(p), inspect.Validate(p), inspect.Check(p), inspect.Plan(p), inspect.Show(p), inspect.Probe(p),
		act.Apply(p),
		act.Rotate(p), act.Adopt(p), inspect.Status(p), inspect.History(p),
		act.Rollback(p), act.Hold(p), act.Unhold(p), act.Keystore(p), act.Release(p), act.Repair(p),
		act.Backup(p), act.Restore(p), daemon.Command(p), onhost.Command(p), inspect.Simulate(p), inspect.Version(p),
		manCommand(p, root))
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	complete(p, root)
	strictHelp(root)
	fitHelp(root)
	console.UsageErrors(root)
	return root
}

// strictHelp makes help on a command that does not exist an error.
func strictHelp(root *cobra.Command) {
	for _, c := range root.Commands() {
		if c.Name() != "help" {
			continue
		}
		c.Short, c.Long, c.Run = "Help about any command", "", nil
		c.RunE = func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return console.UnknownCommand(root, strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		}
	}
}
