package cli

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// versionDocument is `version --json`.
type versionDocument struct {
	FormatVersion int    `json:"format_version"`
	Version       string `json:"version"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		RunE: func(*cobra.Command, []string) error {
			v := versionDocument{show.FormatVersion, version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if p.json {
				return show.JSON(p.Out, v)
			}
			_, err := fmt.Fprintf(p.Out, "dkimbot %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return err
		},
	}
	p.jsonFlag(cmd)
	return cmd
}

// version is what the Go toolchain recorded: the module's version, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := orElse(info.Main.Version, "(devel)")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v == "(devel)" {
			return "commit " + s.Value
		}
	}
	return v
}

func (p *program) manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "Write the manual pages into a directory",
		Example: "  dkimbot man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			root.DisableAutoGenTag = true
			if err := writeManual(root, args[0]); err != nil {
				return fault.Lasting("write the manual pages to "+args[0], err, "name a directory that exists and that you may write to")
			}
			return nil
		},
	}
}

// writeManual writes the page of a command, and those of its own commands. What somebody
// else put into the directory is neither followed nor written over.
func writeManual(cmd *cobra.Command, dir string) error {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writeManual(c, dir); err != nil {
			return err
		}
	}
	var page bytes.Buffer
	header := &doc.GenManHeader{Title: "DKIMBOT", Section: "1", Source: "dkimbot " + version(), Manual: "dkimbot"}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	return safefile.Write(filepath.Join(dir, name), page.Bytes(), safefile.Ours(0o644))
}
