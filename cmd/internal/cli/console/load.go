package console

import (
	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
)

// Load reads the configuration and prints its warnings.
func (p *Program) Load() (*config.Config, error) {
	cfg, err := config.LoadToWork(p.ConfigPath)
	if err != nil {
		return nil, err
	}
	p.Warnings(cfg)
	return cfg, nil
}

// LoadFor loads the configuration and the domains of it that a command is to work
// on; that they can't be found is reported to those whom the configuration names.
func (p *Program) LoadFor(cmd *cobra.Command, names []string, choose Chooser) (*config.Config, []rotate.Domain, error) {
	cfg, err := p.Load()
	if err != nil {
		return nil, nil, err
	}
	domains, err := choose(cfg, names)
	return cfg, domains, p.NotifyRefusal(cmd, cfg, err)
}

// Warnings prints those of the configuration.
func (p *Program) Warnings(cfg *config.Config) {
	p.ErrText().ConfigurationWarnings(Mistakes(cfg.Warnings))
}

// Mistakes returns what the configuration's reader found, as it is reported.
func Mistakes(found []config.Error) (out []report.Mistake) {
	for _, e := range found {
		out = append(out, report.Mistake(e))
	}
	return out
}

// Chooser finds the named domains.
type Chooser func(*config.Config, []string) ([]rotate.Domain, error)

// Choose returns the named domains of the configuration, or all when none is named.
func Choose(cfg *config.Config, names []string) ([]rotate.Domain, error) {
	if len(names) == 0 {
		return cfg.RotateDomains(), nil
	}
	var out []rotate.Domain
	seen := map[string]bool{}
	for _, name := range names {
		d, err := cfg.Domain(name)
		if err != nil {
			return nil, err
		}
		if !seen[d.Name] {
			out = append(out, d.Domain)
		}
		seen[d.Name] = true
	}
	return out, nil
}
