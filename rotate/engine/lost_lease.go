package engine

import (
	"context"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/lease"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// tookOver ends the programs of the earlier owner if it had begun an effect, before anything is asked or
// done. The history says so, and also when the lease was taken over without proof that the owner is dead.
// Its effect may still come from elsewhere, so health checks come often until it can't come any more.
func (r *run) tookOver(ctx context.Context) error {
	owner := r.lease.Lease.TakenFrom
	if owner == "" {
		return nil
	}
	message := "the lease of " + owner + " was taken over"
	if r.lease.Watched {
		message += ": it had not been renewed for its whole length"
	}
	if i := r.st.Intent; i != nil {
		message += ", in the middle of " + wayout.Naming(r.name(i.Selector), *i)
		if r.engine.EndPrograms != nil {
			if o := r.engine.EndPrograms(ctx, owner).String(); o != "" {
				message += "; " + o
			}
		}
		now := r.engine.Clock.Now()
		until := now.Add(ports.SlowestEffect)
		message += "; the domain is looked at every minute until " + calendar.Until(until)
		if err := r.engine.Store.LookAgain(ctx, r.want.Name, now.Add(ports.LookClosely), until); err != nil {
			return err
		}
	}
	if r.lease.Watched || r.st.Intent != nil {
		r.unsaved = append(r.unsaved, r.event(rotate.Step{Kind: rotate.LeaseTaken}, codes.OutcomeNoticed, message))
	}
	return nil
}

// outlived reports an effect that may have come after the lease had passed to
// another process: everyone who looks after domains is to look at this one now.
func (r *run) outlived(ctx context.Context, err error) error {
	i := r.begun
	switch open := err != nil && i != nil && r.lease.Passed(); {
	case open: // whatever it failed for: where the state can't be written, the loss of the lease is not reported
	case fault.CodeOf(err) == codes.LeaseLost:
		return lease.LossOnce(err)
	default:
		return err
	}
	s := rotate.Step{Kind: i.Kind, Selector: i.Selector, Signer: i.Signer, To: rotate.Side{KeyID: i.KeyID}}
	what := wayout.Naming(r.name(i.Selector), *i)
	ctx, cancel := ports.Unhurried(ctx)
	defer cancel()
	event := r.event(s, codes.OutcomeFailed,
		"it may have come after the lease had passed to another process; the domain is looked at again at once")
	noted := r.engine.Store.LookAgain(ctx, r.want.Name, time.Unix(0, 0), time.Time{}, event)
	r.late = true
	return &fault.Error{Kind: fault.Transient, Code: codes.LeaseLost, Err: errors.Join(lease.BesideLoss(err), noted),
		What: what + ": it may have come after the lease had passed to another process",
		Hint: "dkimbot checks the domain again at once, and repairs it; 'dkimbot status --domain " + r.want.Name +
			"' says where it stands"}
}
