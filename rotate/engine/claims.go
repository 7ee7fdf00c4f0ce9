package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// claim claims the place in DNS of a selector's record, so that no other domain's record comes there.
func claim(ctx context.Context, r *run, selector string) error {
	return ports.ClaimName(ctx, r.engine.Names, health.At(r.seen, selector).Sight.Owner, r.name(selector))
}

// claimNames claims the names at which CNAMEs lead to records that were published before names were remembered.
func (r *run) claimNames(ctx context.Context) {
	p := r.judge()
	for _, s := range p.Want.Policy.Selectors {
		seen := r.seen.Selectors[s]
		if r.engine.Names == nil || seen.Sight.Owner == r.name(s).String() || p.Standing(s) != health.Current {
			continue
		}
		if holder, err := r.engine.Names.Holder(ctx, seen.Sight.Owner); err != nil || holder != (dkim.Name{}) {
			continue
		}
		seen.SightErr = ports.ClaimName(ctx, r.engine.Names, seen.Sight.Owner, r.name(s))
		r.seen.Selectors[s] = seen
	}
}
