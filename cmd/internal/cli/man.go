package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/man"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// manCommand returns the command "man", of the commands below root.
func manCommand(p *console.Program, root *cobra.Command) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "man [NAME | --out DIR]",
		Short: "Show a manual page, or write all of them into a directory",
		Long: `Show a manual page, or write all of them into a directory.

Without a name, lists all pages. With --out, writes them below man1, man5 and man7 of
the directory, where man(1) finds them.`,
		Example: `  dkimbot man
  dkimbot man rotate
  dkimbot man dkimbot.yaml
  dkimbot man --out /usr/local/share/man`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(_ *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
			pages, err := man.All(root, configurationKeys())
			if err != nil || len(given) > 0 {
				pages = nil
			}
			var names []string
			for _, page := range pages {
				names = append(names, page.Name)
			}
			return beginning(names, begun), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			pages, err := man.All(root, configurationKeys())
			if err != nil {
				return fault.Lasting("make the manual pages", err, "report this as a defect")
			}
			switch {
			case len(args) > 1 || out != "" && len(args) > 0:
				return console.Wrong(cmd, errors.New("man takes one NAME, or --out"))
			case out != "":
				return writeManual(pages, out)
			case len(args) == 0:
				return listManual(p.Out, pages)
			}
			page, ok := man.Find(pages, args[0])
			if !ok {
				return console.Wrong(cmd, noPage(args[0]))
			}
			_, err = fmt.Fprint(p.Out, page.Text(manualScreen(p)))
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write all pages below the directory `DIR`")
	return cmd
}

func noPage(name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("there is no page %q; to write the pages into a directory: dkimbot man --out %s", name, name)
	}
	return fmt.Errorf("there is no page %q; 'dkimbot man' lists all pages", name)
}

func listManual(w io.Writer, pages []man.Page) error {
	for _, page := range pages {
		if _, err := fmt.Fprintf(w, "%-34s %s\n", page.Ref(), page.Title); err != nil {
			return err
		}
	}
	return nil
}

// manualScreen says how a page is shown where the program writes.
func manualScreen(p *console.Program) man.Screen {
	s := man.Screen{Width: 80}
	if p.OutTTY {
		s.Width = min(p.Columns(), 100)
		s.Strong = p.Text().Bold
	}
	return s
}

// writeManual writes the pages. What somebody else put into the directory is neither
// followed nor written over.
func writeManual(pages []man.Page, dir string) error {
	release := man.Release{Version: console.Version(), Date: console.BuildDate()}
	failed := func(err error) error {
		const hint = "name a directory that exists and that you may write to"
		return fault.Lasting("write the manual pages to "+dir, err, hint)
	}
	for _, page := range pages {
		path := filepath.Join(dir, page.File())
		if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return failed(err)
		}
		if err := safefile.Write(path, page.Roff(release), safefile.Ours(0o644)); err != nil {
			return failed(err)
		}
	}
	return nil
}
