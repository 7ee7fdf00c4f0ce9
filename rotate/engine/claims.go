package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// claimName asks for the place in DNS at which the record of a name is about to stand, before
// anything is written there.
func (e *Engine) claimName(ctx context.Context, owner string, name dkim.Name) error {
	if e.Names == nil || owner == "" {
		return nil
	}
	holder, err := e.Names.Claim(ctx, owner, name)
	if err != nil {
		return err
	}
	return ports.Shared(owner, name, holder)
}

// claimNames claims the names at which CNAMEs lead to records that stand: those that were
// published before names were remembered.
func (r *run) claimNames(ctx context.Context) {
	p := r.judge()
	for _, s := range r.want.Policy.Selectors {
		seen := r.seen.Selectors[s]
		if r.engine.Names == nil || seen.Sight.Owner == r.name(s).String() || p.Standing(s) != health.Current {
			continue
		}
		if holder, err := r.engine.Names.Holder(ctx, seen.Sight.Owner); err != nil || holder != (dkim.Name{}) {
			continue
		}
		if seen.SightErr = r.engine.claimName(ctx, seen.Sight.Owner, r.name(s)); seen.SightErr != nil {
			r.seen.Selectors[s] = seen
		}
	}
}
