package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/spf13/cobra"
)

// History returns the command "history".
func History(p *console.Program) *cobra.Command {
	var (
		domains []string
		limit   int
		since   sinceFlag
	)
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show what was done, when, by whom and with what outcome",
		Example: `  dkimbot history --domain example.com
  dkimbot history --since 7d`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return console.Wrong(cmd, fmt.Errorf("--limit %d: want 1 or more", limit))
			}
			cfg, err := p.Load()
			if err != nil {
				return err
			}
			events, err := histories(cmd.Context(), cfg, domains, limit)
			if err != nil {
				return err
			}
			events = since.from(events, time.Now())
			if p.JSON {
				return report.JSON(p.Out, report.NewHistory(events))
			}
			t := p.Text()
			for _, e := range events {
				t.Event(e)
			}
			switch {
			case len(events) > 0:
			case since.given:
				fmt.Fprintln(p.Out, "Nothing was done since then.")
			default:
				fmt.Fprintln(p.Out, "Nothing was done yet.")
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&domains, "domain", nil, "only this `domain`; may be repeated")
	cmd.Flags().IntVar(&limit, "limit", 1000, "show the newest events, at most this many")
	cmd.Flags().Var(&since, "since", "only what was done since this `time`: 2026-12-24, RFC 3339, or so long ago, as 7d")
	p.JSONFlag(cmd)
	return cmd
}

// histories reads the newest events of some domains, or of all for none, oldest first.
func histories(ctx context.Context, cfg *config.Config, domains []string, limit int) ([]rotate.Event, error) {
	if len(domains) < 2 {
		return history(ctx, cfg, strings.Join(domains, ""), limit)
	}
	var all []rotate.Event
	seen := map[string]bool{}
	for _, d := range domains {
		events, err := history(ctx, cfg, d, limit)
		if err != nil {
			return nil, err
		}
		if len(events) > 0 && !seen[events[0].Domain] {
			seen[events[0].Domain] = true
			all = append(all, events...)
		}
	}
	slices.SortStableFunc(all, func(a, b rotate.Event) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-limit):], nil
}

// history reads the events of a domain, or of all for "". A domain that has left the
// configuration still has its history; an unknown one is an error.
func history(ctx context.Context, cfg *config.Config, domain string, limit int) ([]rotate.Event, error) {
	var unknown error
	if domain != "" {
		if d, err := cfg.Domain(domain); err == nil {
			domain = d.Name
		} else if name, bad := dkim.ParseDomain(domain); bad != nil {
			return nil, err
		} else {
			domain, unknown = name, err
		}
	}
	events, err := app.History(ctx, cfg, domain, limit)
	if err == nil && len(events) == 0 && unknown != nil {
		return nil, unknown
	}
	return events, err
}
