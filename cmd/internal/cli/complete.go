package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/setup"
	"github.com/dkimbot/dkimbot/rotate"
)

// completions are what a shell offers for the value of a flag, by the flag's name, which
// means the same with each command. What the configuration knows is offered when it can be read.
func completions(p *console.Program) map[string]func() []string {
	known := func(names func(*config.Config) []string) func() []string {
		return func() []string {
			cfg, err := config.Load(p.ConfigPath)
			if err != nil {
				return nil
			}
			return names(cfg)
		}
	}
	words := func(all ...string) func() []string { return func() []string { return all } }
	return map[string]func() []string{
		"domain":     known(domainNames),
		"selector":   known(selectorNames),
		"signer":     known(func(c *config.Config) []string { return slices.Sorted(maps.Keys(c.Signers)) }),
		"provider":   known(func(c *config.Config) []string { return slices.Sorted(maps.Keys(c.Providers)) }),
		"phase":      func() []string { return phaseNames() },
		"log-level":  words("debug", "info", "warn", "error"),
		"log-format": words("text", "json"),
		"valid":      words("24h", "72h", "7d"),
		"for":        words("30d", "90d", "365d"),
		"since":      words("24h", "7d", "30d"),
		"dns":        driverNames,
	}
}

func domainNames(c *config.Config) (out []string) {
	for _, d := range c.Domains {
		out = append(out, d.Name)
	}
	return out
}

func selectorNames(c *config.Config) []string {
	all := map[string]bool{}
	for _, d := range c.Domains {
		for _, s := range d.Policy.Selectors {
			all[s] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// driverNames are the DNS drivers that 'dkimbot init' can set up.
func driverNames() (out []string) {
	for _, d := range setup.Drivers() {
		out = append(out, d[0])
	}
	return out
}

func phaseNames() (out []string) {
	for _, p := range rotate.Phases() {
		out = append(out, string(p))
	}
	return out
}

// complete has a shell complete the values of flags, of all commands.
func complete(p *console.Program, root *cobra.Command) {
	values := completions(p)
	for _, cmd := range append(root.Commands(), root) {
		offer := func(f *pflag.Flag) {
			names := values[f.Name]
			if f.Name == "format" {
				names = func() []string { return formsOf(cmd) }
			}
			if names == nil {
				return
			}
			cobra.CheckErr(cmd.RegisterFlagCompletionFunc(f.Name,
				func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
					return beginning(names(), begun), cobra.ShellCompDirectiveNoFileComp
				}))
		}
		cmd.Flags().VisitAll(offer)
		if cmd == root {
			cmd.PersistentFlags().VisitAll(offer)
		}
	}
}

// formsOf are the words that --format takes with the command.
func formsOf(cmd *cobra.Command) []string {
	switch cmd.Name() {
	case "status":
		return console.StatusForms
	case "check":
		return []string{console.FormText, console.FormJSON}
	}
	return console.PlanForms
}

func beginning(all []string, begun string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, begun) })
}
