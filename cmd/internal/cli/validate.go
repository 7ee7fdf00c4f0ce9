package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
)

func (p *program) validateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration without touching anything outside",
		Long: `Check the configuration without touching anything outside.

Reads the configuration, the files that it includes, and the secret files and zone
files that it names. Reports every error at once, with file, line, key and what to write
instead. Nothing is contacted and nothing is written.`,
		Example: "  dkimbot validate --config /etc/dkimbot/dkimbot.yaml",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(p.config)
			var bad config.Errors
			if err != nil && !errors.As(err, &bad) {
				return err
			}
			if cfg != nil {
				zones := app.ZoneFiles(cfg)
				bad = zones.Errs
				cfg.Warnings = slices.Concat(cfg.Warnings, zones.Missing, zones.Unread)
			}
			if p.json {
				doc := report.NewValidation(p.config, 0, mistakes(bad), nil)
				if cfg != nil {
					doc = report.NewValidation(p.config, len(cfg.Domains), mistakes(bad), mistakes(cfg.Warnings))
				}
				if err := report.JSON(p.Out, doc); err != nil {
					return err
				}
				if len(bad) > 0 {
					return exitCode(exitError)
				}
				return nil
			}
			if len(bad) > 0 {
				return bad
			}
			p.warnings(cfg)
			_, err = fmt.Fprintf(p.Out, "%s is valid: %s.\n", p.config, report.Count(len(cfg.Domains), "domain"))
			return err
		},
	}
	p.jsonFlag(cmd)
	return cmd
}

// load reads the configuration and tells its warnings.
func (p *program) load() (*config.Config, error) {
	cfg, err := config.LoadToWork(p.config)
	if err != nil {
		return nil, err
	}
	p.warnings(cfg)
	return cfg, nil
}

func (p *program) warnings(cfg *config.Config) {
	p.text(p.Err, p.ErrTTY).ConfigurationWarnings(mistakes(cfg.Warnings))
}

// mistakes returns what the configuration's reader found, as it is reported.
func mistakes(found []config.Error) (out []report.Mistake) {
	for _, e := range found {
		out = append(out, report.Mistake(e))
	}
	return out
}
