package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

func (p *program) statusCommand() *cobra.Command {
	var domains []string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where every domain stands and what comes next",
		Long: `Show where every domain stands and what comes next.

Reads only the state. It has what the last health check of DNS, the keystore and the
signers found: what differs, since when, and what dkimbot does about it. 'rotate --due' and
the daemon check every domain once an hour; 'dkimbot plan' checks now. Also shows domains
that the configuration does not list any more; dkimbot never touches those.`,
		Example: "  dkimbot status --domain example.com --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			chosen, err := choose(cfg, domains)
			if err != nil {
				return err
			}
			states, unlisted, err := app.States(cmd.Context(), cfg, chosen)
			if err != nil {
				return err
			}
			if len(domains) > 0 {
				unlisted = nil
			}
			if p.json {
				return report.JSON(p.Out, report.NewStatus(states, unlisted))
			}
			t := p.text(p.Out, p.OutTTY)
			for _, st := range states {
				t.Status(st)
			}
			t.Unlisted(report.NewUnlisted(unlisted))
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&domains, "domain", nil, "only this `domain`; may be repeated")
	p.jsonFlag(cmd)
	return cmd
}

func (p *program) historyCommand() *cobra.Command {
	var (
		domain string
		limit  int
	)
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "Show what was done, when, by whom and with what outcome",
		Example: "  dkimbot history --domain example.com",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return &usageError{error: fmt.Errorf("--limit %d: want 1 or more", limit), command: cmd.CommandPath()}
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			events, err := history(cmd.Context(), cfg, domain, limit)
			if err != nil {
				return err
			}
			if p.json {
				return report.JSON(p.Out, report.NewHistory(events))
			}
			t := p.text(p.Out, p.OutTTY)
			for _, e := range events {
				t.Event(e)
			}
			if len(events) == 0 {
				fmt.Fprintln(p.Out, "Nothing was done yet.")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "", "only this `domain`")
	cmd.Flags().IntVar(&limit, "limit", 1000, "show the newest events, at most this many")
	p.jsonFlag(cmd)
	return cmd
}

// history reads the events of a domain, or of all for "". A domain that has left the
// configuration still has its history; one that nobody knows is an error.
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
