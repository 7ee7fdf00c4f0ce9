package console

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
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
	if err != nil {
		err = listedBefore(cmd.Context(), cfg, names, err)
	}
	return cfg, domains, p.NotifyRefusal(cmd, cfg, err)
}

// listedBefore returns why named domains can't be found; where the state knows one of them, that the configuration
// listed it before.
func listedBefore(ctx context.Context, cfg *config.Config, names []string, err error) error {
	for _, name := range names {
		normal, bad := dkim.ParseDomain(name)
		if _, listed := cfg.Domain(name); bad != nil || listed == nil {
			continue
		}
		if _, known, unread := app.Left(ctx, cfg, normal); known && unread == nil {
			return fault.Lasting(fmt.Sprintf("look for domain %s in %s", normal, cfg.File),
				errors.New("the configuration does not list it any more, and the state knows it"),
				"list it again under domains, as it was, and run the command again; or release it: "+
					"'dkimbot release --domain "+normal+"'")
		}
	}
	return err
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
