package console

import (
	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// Session is the parts of a configuration at work, and how their work is reported meanwhile.
type Session struct {
	*app.App
	Progress Progress
	p        *Program
}

// Open opens the parts of a configuration for work on domains. Close them.
func (p *Program) Open(cmd *cobra.Command, cfg *config.Config) (Session, error) {
	log, err := p.Log()
	if err != nil {
		return Session{}, err
	}
	progress := p.newProgress(cmd)
	a, err := app.Open(cmd.Context(), cfg, progress.step, app.WithLog(log), app.WithoutKeystore(func(error) {}))
	if err != nil {
		progress.Stop()
	}
	p.worked = p.worked || err == nil
	return Session{a, progress, p}, err
}

// Close ends the work.
func (s Session) Close() {
	s.App.Close()
	s.Progress.Stop()
}

// Into returns a function that keeps each result as it comes, and writes it where
// people read.
func (s Session) Into(results *[]engine.Result, write func(show.Text, engine.Result)) func(engine.Result) {
	return func(r engine.Result) {
		*results = append(*results, r)
		s.Progress.over(r.Domain)
		if !s.p.JSON {
			write(s.p.Text(), r)
		}
	}
}
