package engine

import (
	"context"
	"errors"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/shown"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// revoke empties the p= of a key's record, and does not wait until that shows: one that comes back is revoked again.
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
	if err := r.lookBeforeWrite(ctx, s.Kind, s.Selector); err != nil {
		return err
	}
	if !sel.Key.RevokedAt.IsZero() && !shown.ShowsAnother(health.At(r.seen, s.Selector).Sight, sel.Next) {
		return needless("the key was revoked already") // the fresh key's record may stand there by now
	}
	if r.st.Released != nil {
		if err := r.stillUnused(ctx, s.Selector, r.st.Selector(s.Selector).Key.ID, "revoke the key record"); err != nil {
			return err
		}
	}
	why := wayout.RevokeReason(p, s.Selector, "now")
	sel.Revoking(max(r.want.Policy.TTL, health.At(r.seen, s.Selector).Sight.TTL))
	key := sel.Key
	if err := r.begin(ctx, rotate.Intent{Kind: rotate.Revoke, Selector: s.Selector, KeyID: key.ID,
		Record: key.Record}); err != nil {
		return err
	}
	err = provider.Publish(ctx, accounts.TXT(*sel, health.At(r.seen, s.Selector).Sight, key.Record, r.want.Policy.TTL))
	if err != nil && !accounts.OnlyForeign(err) {
		return err
	}
	if err != nil { // somebody else's record stands at an account; all others have revoked the key
		r.st.Revoked(s.Selector, r.engine.Clock.Now())
		return errors.Join(err, afterwards{r}.look(ctx, s.Selector))
	}
	plan.Written(r.seen, s.Selector, *sel, key.Record)
	r.st.Revoked(s.Selector, r.engine.Clock.Now())
	return r.confirm(ctx, s, key.ID, why.Message)
}

// needless is why nothing was left to do for a step. It is no failure.
type needless string

// Error implements error.
func (n needless) Error() string { return string(n) }
