package act

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Release returns the command "release".
func Release(p *console.Program) *cobra.Command {
	var (
		domains             []string
		purge, undo, dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "release --domain D...",
		Short: "Release a domain: dkimbot does nothing for it any more",
		Long: `Release a domain: dkimbot does nothing for it any more.

Key records, private keys and the signers' tables stay as they are, and the output says
what is where. Then take the domain out of the configuration, or leave it there and take it
back later with --undo.

With --purge, removes what dkimbot made: both key records are revoked (an empty p=) and
both private keys destroyed, but only when no signer has signed with either for as long as
the drain. Leave the domain in the configuration until that is done. 'dkimbot rotate --due'
and the daemon do it.`,
		Example: `  dkimbot release --domain example.com
  dkimbot release --domain example.com --purge
  dkimbot release --domain example.com --undo`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case len(domains) == 0:
				return console.Wrong(cmd, errors.New("release needs --domain"))
			case purge && undo:
				return console.Wrong(cmd, errors.New("--purge purges what --undo would take back: give one of them"))
			}
			var what rotate.Instruction = rotate.Release{Purge: purge}
			if undo {
				what = rotate.Reclaim{}
			}
			listed := func(cfg *config.Config, names []string) ([]rotate.Domain, error) {
				if purge {
					return console.Choose(cfg, names)
				}
				return chooseKnown(cmd.Context(), cfg, names)
			}
			return instruct(p, cmd, job{choose: listed, names: domains,
				request: rotate.Request{Named: true, Instruction: what}, dryRun: dryRun})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&domains, "domain", nil, "release this `domain`; may be repeated")
	f.BoolVar(&purge, "purge", false, "remove records and keys when no signer needs them any more")
	f.BoolVar(&undo, "undo", false, "take a released domain back under management")
	f.BoolVar(&dryRun, "dry-run", false, "show the plan and do nothing")
	p.JSONFlag(cmd)
	return cmd
}

// chooseKnown returns the named domains of the configuration, and also those that
// it does not list any more.
func chooseKnown(ctx context.Context, cfg *config.Config, names []string) (out []rotate.Domain, err error) {
	for _, name := range names {
		listed, err := console.Choose(cfg, []string{name})
		if err == nil {
			out = append(out, listed...)
			continue
		}
		normal, bad := dkim.ParseDomain(name)
		left, known, unread := app.Left(ctx, cfg, normal)
		if bad != nil || unread != nil || !known {
			return nil, err
		}
		out = append(out, left)
	}
	return out, nil
}
