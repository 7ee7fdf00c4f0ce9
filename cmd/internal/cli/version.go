package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
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
		Short: "Show which version this is",
		RunE: func(*cobra.Command, []string) error {
			v := versionDocument{report.FormatVersion, version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if p.json {
				return report.JSON(p.Out, v)
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
	v := cmp.Or(info.Main.Version, "(devel)")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v == "(devel)" {
			return "commit " + s.Value
		}
	}
	return v
}
