package inspect

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
)

// Validate returns the command "validate".
func Validate(p *console.Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration without touching anything outside",
		Long: `Check the configuration without touching anything outside.

Reads the configuration, the files that it includes, and the secret files and zone
files that it names. Reports every error at once, with file, line, key and what to write
instead. Nothing is contacted and nothing is written.`,
		Example: "  dkimbot validate --config /etc/dkimbot/dkimbot.yaml",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(p.ConfigPath)
			var bad config.Errors
			if err != nil && !errors.As(err, &bad) {
				return err
			}
			if cfg != nil {
				zones := app.ZoneFiles(cfg)
				bad = zones.Errs
				cfg.Warnings = slices.Concat(cfg.Warnings, zones.Missing, zones.Unread)
			}
			if p.JSON {
				doc := report.NewValidation(p.ConfigPath, 0, console.Mistakes(bad), nil)
				if cfg != nil {
					doc = report.NewValidation(p.ConfigPath, len(cfg.Domains), console.Mistakes(bad), console.Mistakes(cfg.Warnings))
				}
				if err := report.JSON(p.Out, doc); err != nil {
					return err
				}
				if len(bad) > 0 {
					return console.Exit(console.ExitError)
				}
				return nil
			}
			if len(bad) > 0 {
				return bad
			}
			p.Warnings(cfg)
			_, err = fmt.Fprintf(p.Out, "%s is valid: %s.\n", p.ConfigPath, report.Count(len(cfg.Domains), "domain"))
			return err
		},
	}
	p.JSONFlag(cmd)
	return cmd
}
