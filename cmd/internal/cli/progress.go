package cli

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// progress tells on standard error what happens while it happens. Its functions are
// nil where it is not shown.
type progress struct {
	step    func(rotate.Event)
	waiting func(domain string, next rotate.Next)
	live    *statusLine // nil where there is no line to keep
}

// expect says which domains the work is for, over that nothing more is done for
// one, and stop that all is over.
func (t progress) expect(domains []rotate.Domain) { t.live.expect(domains) }
func (t progress) over(domain string)             { t.live.over(domain) }
func (t progress) stop()                          { t.live.stop() }

// newProgress returns one that logs where a flag asks for a log, tells progress on a
// terminal, and else is silent, so that cron sends no mail. Stop it before the last words.
func (p *program) newProgress(cmd *cobra.Command) progress {
	if cmd.Flags().Changed("log-format") || cmd.Flags().Changed("log-level") {
		log, err := p.log()
		if err == nil {
			return progress{step: logStep(log), waiting: logWait(log)}
		}
	}
	switch {
	case !p.ErrTTY:
		return progress{}
	case p.Env("TERM") == "dumb":
		return p.plainProgress()
	}
	return p.liveProgress(cmd.Context())
}

// plainProgress tells each step and wait on a line of its own.
func (p *program) plainProgress() progress {
	var mu sync.Mutex
	return progress{
		step: func(e rotate.Event) {
			mu.Lock()
			defer mu.Unlock()
			p.text(p.Err, p.ErrTTY).Finished(e)
		},
		waiting: func(domain string, next rotate.Next) {
			mu.Lock()
			defer mu.Unlock()
			p.text(p.Err, p.ErrTTY).Waiting(domain, next)
		},
	}
}

// liveProgress tells each step that has ended on a line of its own, and below them
// what is done now. All that the program writes to the terminal goes above that.
func (p *program) liveProgress(ctx context.Context) progress {
	l := startStatusLine(ctx, p.terminal, p.Columns)
	p.Err = l.above(p.Err)
	if p.OutTTY {
		p.Out = l.above(p.Out)
	}
	steps := p.text(p.Err, p.ErrTTY)
	return progress{
		step: func(e rotate.Event) {
			l.change(func(p *show.Progress) { p.Step(e, time.Now()) })
			steps.Finished(e)
		},
		waiting: func(domain string, next rotate.Next) {
			l.change(func(p *show.Progress) { p.Waiting(domain, next) })
		},
		live: l,
	}
}

// log returns the logger that the flags ask for.
func (p *program) log() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(p.logLevel)); err != nil {
		return nil, &usageError{error: errors.New("--log-level " + p.logLevel +
			" is unknown: use debug, info, warn or error"), command: "dkimbot"}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch p.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(report.JSONWriter{W: p.Err}, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(p.Err, opts)), nil
	}
	return nil, &usageError{error: errors.New("--log-format " + p.logFormat + " is unknown: use text or json"),
		command: "dkimbot"}
}

// logStep logs a step's end; that it began is of interest only when looking closely.
func logStep(log *slog.Logger) func(rotate.Event) {
	return func(e rotate.Event) {
		level := slog.LevelInfo
		switch e.Outcome {
		case codes.OutcomeBegun:
			level = slog.LevelDebug
		case codes.OutcomeFailed, codes.OutcomeRefused:
			level = slog.LevelWarn
		}
		log.LogAttrs(context.Background(), level, "step "+string(e.Outcome),
			said("domain", e.Domain, "step", string(e.Kind), "phase", string(e.Phase),
				"selector", e.Selector, "signer", e.Signer, "key_id", e.KeyID, "message", e.Message)...)
	}
}

func logWait(log *slog.Logger) func(string, rotate.Next) {
	return func(domain string, next rotate.Next) {
		log.LogAttrs(context.Background(), slog.LevelInfo, "waiting", said("domain", domain, "for", string(next.Action),
			"selector", next.Selector, "until", next.At.UTC().Format(time.RFC3339), "reason", string(next.Reason.Code),
			"message", next.Reason.Message)...)
	}
}

// said pairs names with values and leaves out what is empty.
func said(pairs ...string) []slog.Attr {
	var out []slog.Attr
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, slog.String(pairs[i], pairs[i+1]))
		}
	}
	return out
}
