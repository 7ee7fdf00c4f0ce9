package cli

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
)

func (p *program) root() *cobra.Command {
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
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			p.cmd, p.args = cmd, args
			_, err := p.log()
			return err
		},
	}
	root.SetVersionTemplate("dkimbot {{.Version}}\n")
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	f := root.PersistentFlags()
	f.StringVar(&p.config, "config", cmp.Or(p.Env(config.PathVariable), config.DefaultPath),
		"configuration `file` (also "+config.PathVariable+")")
	f.BoolVar(&p.noColor, "no-color", false, "never use colour (also NO_COLOR)")
	f.StringVar(&p.logFormat, "log-format", "text", "how logs are written to standard error: text or json")
	f.StringVar(&p.logLevel, "log-level", "info", "the lowest level that is logged: debug, info, warn or error")
	root.AddCommand(p.initCommand(), p.validateCommand(), p.checkCommand(), p.planCommand(), p.showCommand(),
		p.applyCommand(),
		p.rotateCommand(), p.adoptCommand(), p.statusCommand(), p.historyCommand(),
		p.rollbackCommand(), p.holdCommand(), p.unholdCommand(), p.keystoreCommand(), p.releaseCommand(), p.repairCommand(),
		p.backupCommand(), p.restoreCommand(), p.daemonCommand(), p.simulateCommand(), p.versionCommand(),
		p.manCommand(root))
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	p.complete(root)
	strictHelp(root)
	usageErrors(root)
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
				return unknownCommand(root, strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		}
	}
}
