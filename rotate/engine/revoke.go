package engine

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// revoke empties the p= of a key's record. It does not wait until that shows: a
// record that stands there again is revoked again.
func (r *run) revoke(ctx context.Context, s rotate.Step) error {
	sel := rotate.SelectorAt(r.st, s.Selector)
	if sel == nil || sel.Key == nil || sel.Key.Leaked.IsZero() && r.st.Released == nil {
		return needless("the key was purged or replaced meanwhile") // one that nobody reported is not revoked
	}
	p := r.judge()
	if !p.MayRevoke(s.Selector) {
		return p.CantRevoke(s.Selector)
	}
	provider, err := accounts.Publisher(r.want, r.engine.Publishers, r.name(s.Selector), r.lease.Holds)
	if err != nil {
		return err
	}
	if err := r.lookBeforeWrite(ctx, s.Selector); err != nil {
		return err
	}
	if !sel.Key.RevokedAt.IsZero() && !health.ShowsAnother(health.At(r.seen, s.Selector).Sight, sel.Next) {
		return needless("the key was revoked already") // the fresh key's record may stand there by now
	}
	if r.st.Released != nil {
		if err := r.stillUnused(ctx, s.Selector, r.st.Selector(s.Selector).Key.ID, "revoke the key record"); err != nil {
			return err
		}
	}
	why := p.RevokeReason(s.Selector, "now")
	sel.Revoking(r.want.Policy.TTL)
	key := sel.Key
	if err := r.begin(ctx, rotate.Intent{Kind: rotate.Revoke, Selector: s.Selector, KeyID: key.ID,
		Record: key.Record}); err != nil {
		return err
	}
	if err := provider.Publish(ctx,
		txt(*sel, health.At(r.seen, s.Selector).Sight, key.Record, r.want.Policy.TTL)); err != nil {
		return err
	}
	plan.Written(r.seen, s.Selector, key.Record)
	now := r.engine.Clock.Now()
	r.st.Revoked(s.Selector, now)
	return r.confirm(ctx, s, key.ID, why.Message)
}

// needless is why nothing was left to do for a step. It is no failure.
type needless string

// Error implements error.
func (n needless) Error() string { return string(n) }
