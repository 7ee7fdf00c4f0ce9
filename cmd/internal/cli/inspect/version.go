package inspect

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
)

// Version returns the command "version".
func Version(p *console.Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which version this is",
		RunE: func(*cobra.Command, []string) error {
			v := report.NewVersion(console.Version(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
			if p.JSON {
				return report.JSON(p.Out, v)
			}
			_, err := fmt.Fprintf(p.Out, "dkimbot %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return err
		},
	}
	p.JSONFlag(cmd)
	return cmd
}
