package console

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Progress shows on standard error what happens while it happens. Its functions are
// nil where it is not shown.
type Progress struct {
	step    func(rotate.Event)
	Waiting func(domain string, next rotate.Next)
	live    *statusLine // nil where there is no line to keep
}

// Expect says which domains the work is for.
func (t Progress) Expect(domains []rotate.Domain) { t.live.expect(domains) }

// Stop says that all is over.
func (t Progress) Stop() { t.live.stop() }

// over says that nothing more is done for a domain.
func (t Progress) over(domain string) { t.live.over(domain) }

// newProgress returns one that logs where a flag asks for a log, shows progress on a
// terminal, and else is silent, so that cron sends no mail, but for what a run that stays tries again and again.
// Stop it before the last words.
func (p *Program) newProgress(cmd *cobra.Command) Progress {
	if cmd.Flags().Changed("log-format") || cmd.Flags().Changed("log-level") {
		log, err := p.Log()
		if err == nil {
			return Progress{step: LogStep(log), Waiting: logWait(log)}
		}
	}
	switch {
	case !p.ErrTTY && waits(cmd):
		return p.failuresOnly()
	case !p.ErrTTY:
		return Progress{}
	case p.Env("TERM") == "dumb":
		return p.plainProgress(waits(cmd))
	}
	return p.liveProgress(cmd.Context(), waits(cmd))
}

// worthALine reports whether a person who watches gets a line for a step that has ended. What failed before its first
// step is reported with the result at once, where the run does not stay for another try.
func worthALine(e rotate.Event, stays bool) bool {
	return stays || e.Kind != "" || e.Outcome == codes.OutcomeDone
}

// waits reports whether the command stays for what may pass by itself.
func waits(cmd *cobra.Command) bool {
	stays, err := cmd.Flags().GetBool("wait")
	return err == nil && stays
}

// failuresOnly reports each step that fails, once: whoever reads a pipe would else see nothing until the last try.
func (p *Program) failuresOnly() Progress {
	type attempt struct {
		domain, selector, signer string
		kind                     rotate.Kind
	}
	var mu sync.Mutex
	reported := map[attempt]bool{}
	return Progress{step: func(e rotate.Event) {
		mu.Lock()
		defer mu.Unlock()
		this := attempt{e.Domain, e.Selector, e.Signer, e.Kind}
		if e.Outcome == codes.OutcomeFailed && !reported[this] {
			reported[this] = true
			p.ErrText().Finished(e)
		}
	}}
}

// plainProgress describes each step and wait on a line of its own.
func (p *Program) plainProgress(stays bool) Progress {
	var mu sync.Mutex
	return Progress{
		step: func(e rotate.Event) {
			mu.Lock()
			defer mu.Unlock()
			if worthALine(e, stays) {
				p.ErrText().Finished(e)
			}
		},
		Waiting: func(domain string, next rotate.Next) {
			mu.Lock()
			defer mu.Unlock()
			p.ErrText().Waiting(domain, next)
		},
	}
}

// liveProgress describes each step that has ended on a line of its own, and below them
// what is done now. All that the program writes to the terminal goes above that.
func (p *Program) liveProgress(ctx context.Context, stays bool) Progress {
	l := startStatusLine(ctx, p.terminal, p.Columns)
	p.Err = l.above(p.Err)
	if p.OutTTY {
		p.Out = l.above(p.Out)
	}
	steps := p.ErrText()
	return Progress{
		step: func(e rotate.Event) {
			l.change(func(p *show.Progress) { p.Step(e, time.Now()) })
			if worthALine(e, stays) {
				steps.Finished(e)
			}
		},
		Waiting: func(domain string, next rotate.Next) {
			l.change(func(p *show.Progress) { p.Waiting(domain, next) })
		},
		live: l,
	}
}
