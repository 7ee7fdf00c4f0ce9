package console

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Log returns the logger that the flags ask for.
func (p *Program) Log() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(p.LogLevel)); err != nil {
		return nil, &UsageError{error: errors.New("--log-level " + p.LogLevel +
			" is unknown: use debug, info, warn or error"), command: "dkimbot"}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch p.LogFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(report.JSONWriter{W: p.Err}, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(p.Err, opts)), nil
	}
	return nil, &UsageError{error: errors.New("--log-format " + p.LogFormat + " is unknown: use text or json"),
		command: "dkimbot"}
}

// LogStep logs a step's end; that it began is of interest only when looking closely.
func LogStep(log *slog.Logger) func(rotate.Event) {
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
