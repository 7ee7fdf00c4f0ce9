package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/man"
)

// fitHelp lets the help of all commands fit into 80 columns, however wide it is written.
func fitHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		long := cmd.Long
		defer func() { cmd.Long = long }()
		cmd.Long = fitted(long)
		help(cmd, args)
	})
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages ", "Flags.FlagUsagesWrapped 80 "))
}

// fitted breaks the paragraphs of text into lines of 80 columns. Lists and what is indented stay as they are.
func fitted(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if marked := "\n" + p; !strings.Contains(marked, "\n ") && !strings.Contains(marked, "\n- ") {
			paragraphs[i] = strings.Join(man.Wrap(p, 80), "\n")
		}
	}
	return strings.Join(paragraphs, "\n\n")
}
