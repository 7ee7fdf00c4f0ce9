package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
)

// notifyRefusal tells those whom the configuration names when err ended a command before it
// took any domain in hand, and returns err. A dry run is no attempt at anything.
func (p *program) notifyRefusal(cmd *cobra.Command, cfg *config.Config, err error) error {
	var (
		code  exitCode
		usage *usageError
	)
	if err == nil || errors.As(err, &code) || errors.As(err, &usage) || cmd.Context().Err() != nil {
		return err
	}
	if dry := cmd.Flags().Lookup("dry-run"); dry == nil || dry.Value.String() != "true" {
		p.notifyRefusals(cmd, cfg, map[string]error{"": err})
	}
	return err
}

// notifyRefusals tells them of domains, by name, that the command refused without taking them in hand.
func (p *program) notifyRefusals(cmd *cobra.Command, cfg *config.Config, errs map[string]error) {
	if log, err := p.log(); err == nil {
		app.Tell(cfg, log, cmd.Name(), errs)
	}
}
