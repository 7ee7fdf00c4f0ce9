package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// claim claims the place in DNS of a selector's record, so that no other domain's record comes there. What dkimbot left
// there of a domain that it has purged is this one's from then on, also where the run ends here (I7).
func claim(ctx context.Context, r *run, selector string) error {
	sight, sel := health.At(r.seen, selector).Sight, rotate.SelectorAt(r.st, selector)
	if sel != nil && sight.Vacated && !sel.Revoked {
		sel.Revoked = true
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	return ports.ClaimName(ctx, r.engine.Names, sight.Owner, r.name(selector))
}

// claimNames claims the names at which CNAMEs lead to records that were published before names were remembered.
func (r *run) claimNames(ctx context.Context) {
	p := r.judge()
	for _, s := range p.Want.Policy.Selectors {
		if seen := r.seen.Selectors[s]; seen.Sight.Owner != r.name(s).String() && p.Standing(s) == health.Current {
			seen.SightErr = ports.ClaimFree(ctx, r.engine.Names, seen.Sight.Owner, r.name(s))
			r.seen.Selectors[s] = seen
		}
	}
}
