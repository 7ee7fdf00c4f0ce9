package console

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
)

// NotifyRefusal notifies those whom the configuration names when err ended a command before it
// began with any domain, and returns err. A dry run is no attempt at anything.
func (p *Program) NotifyRefusal(cmd *cobra.Command, cfg *config.Config, err error) error {
	var (
		code  Exit
		usage *UsageError
	)
	if err == nil || errors.As(err, &code) || errors.As(err, &usage) || cmd.Context().Err() != nil {
		return err
	}
	if dry := cmd.Flags().Lookup("dry-run"); dry == nil || dry.Value.String() != "true" {
		p.NotifyRefusals(cmd, cfg, map[string]error{"": err})
	}
	return err
}

// NotifyRefusals notifies them of domains, by name, that the command refused before it began with them.
func (p *Program) NotifyRefusals(cmd *cobra.Command, cfg *config.Config, errs map[string]error) {
	if log, err := p.Log(); err == nil {
		app.Notify(cfg, log, cmd.Name(), errs)
	}
}
