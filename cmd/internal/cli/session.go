package cli

import (
	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/spf13/cobra"
)

// chooser finds the named domains.
type chooser func(*config.Config, []string) ([]rotate.Domain, error)

// loadFor loads the configuration and the domains of it that a command is to work
// on; that they can't be found is told to those whom the configuration names.
func (p *program) loadFor(cmd *cobra.Command, names []string, choose chooser) (*config.Config, []rotate.Domain, error) {
	cfg, err := p.load()
	if err != nil {
		return nil, nil, err
	}
	domains, err := choose(cfg, names)
	return cfg, domains, p.notifyRefusal(cmd, cfg, err)
}

// session is the parts of a configuration at work, and those who are told meanwhile.
type session struct {
	*app.App
	tell progress
}

// open opens the parts of a configuration for work on domains. Close them.
func (p *program) open(cmd *cobra.Command, cfg *config.Config) (session, error) {
	log, err := p.log()
	if err != nil {
		return session{}, err
	}
	tell := p.newProgress(cmd)
	a, err := app.Open(cmd.Context(), cfg, tell.step, app.WithLog(log), app.WithoutKeystore(func(error) {}))
	if err != nil {
		tell.stop()
	}
	return session{a, tell}, err
}

// Close ends the work.
func (s session) Close() {
	s.App.Close()
	s.tell.stop()
}

// into returns a function that keeps each result as it comes, and writes it where
// people read.
func (p *program) into(results *[]engine.Result, tell progress,
	write func(show.Text, engine.Result)) func(engine.Result) {
	return func(r engine.Result) {
		*results = append(*results, r)
		tell.over(r.Domain)
		if !p.json {
			write(p.text(p.Out, p.OutTTY), r)
		}
	}
}
