package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// claimName asks for the name at which the selector's record is about to stand, before
// anything is written there.
func (r *run) claimName(ctx context.Context, selector string) error {
	sight := r.seen.Selectors[selector].Sight
	if r.engine.Names == nil || sight.Owner == "" {
		return nil
	}
	holder, err := r.engine.Names.Claim(ctx, sight.Owner, r.name(selector))
	if err != nil {
		return err
	}
	return rotate.Shared(sight.Owner, r.name(selector), holder)
}

// claimNames claims the names at which CNAMEs lead to records that stand: those that were
// published before names were remembered.
func (r *run) claimNames(ctx context.Context) {
	p := r.judge()
	for _, s := range r.want.Policy.Selectors {
		seen := r.seen.Selectors[s]
		if r.engine.Names == nil || seen.Sight.Owner == r.name(s).String() || p.Standing(s) != plan.Current {
			continue
		}
		if holder, err := r.engine.Names.Holder(ctx, seen.Sight.Owner); err != nil || holder != (dkim.Name{}) {
			continue
		}
		if seen.SightErr = r.claimName(ctx, s); seen.SightErr != nil {
			r.seen.Selectors[s] = seen
		}
	}
}
