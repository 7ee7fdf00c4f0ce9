package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// tookOver says in the history whose lease was taken over without proof that it is
// dead. What any owner had begun may yet come, also from a program that it had started,
// so the domain is looked after closely for as long.
func (r *run) tookOver(ctx context.Context) error {
	owner := r.lease.Lease.TakenFrom
	if owner != "" && r.lease.Watched {
		r.unsaved = append(r.unsaved, r.event(rotate.Step{Kind: rotate.LeaseTaken}, codes.OutcomeNoticed, "the lease of "+
			owner+" was taken over: it had not been renewed for its whole length"))
	}
	if owner == "" || r.st.Intent == nil {
		return nil
	}
	now := r.engine.Clock.Now()
	return r.engine.Store.LookAgain(ctx, r.want.Name, now.Add(rotate.LookClosely), now.Add(rotate.SlowestEffect))
}

// outlived tells of an effect that may have come after the lease had passed to
// another process: everyone who looks after domains is to look at this one now.
func (r *run) outlived(ctx context.Context, err error) error {
	i := r.begun
	if fault.CodeOf(err) != codes.LeaseLost {
		return err
	}
	if i == nil || !r.lease.Passed() {
		return lossOnce(err)
	}
	s := rotate.Step{Kind: i.Kind, Selector: i.Selector, Signer: i.Signer, To: rotate.Side{KeyID: i.KeyID}}
	what := string(i.Kind) + " " + r.name(i.Selector).String()
	if i.Signer != "" {
		what += " on signer " + i.Signer
	}
	ctx, cancel := rotate.Unhurried(ctx)
	defer cancel()
	event := r.event(s, codes.OutcomeFailed,
		"it may have come after the lease had passed to another process; the domain is looked at again at once")
	noted := r.engine.Store.LookAgain(ctx, r.want.Name, time.Unix(0, 0), time.Time{}, event)
	r.late = true
	return &fault.Error{Kind: fault.Transient, Code: codes.LeaseLost, Err: errors.Join(besideLoss(err), noted),
		What: what + ": it may have come after the lease had passed to another process",
		Hint: "the domain is looked at again at once, and put right; 'dkimbot status --domain " + r.want.Name +
			"' says where it stands"}
}

// lossOnce returns err with the loss of the lease told once, and nothing of the work
// that was ended for it.
func lossOnce(err error) error {
	rest := besideLoss(err)
	for {
		several, joined := err.(interface{ Unwrap() []error })
		if !joined {
			break
		}
		all := several.Unwrap()
		err = all[slices.IndexFunc(all, func(e error) bool { return fault.CodeOf(e) == codes.LeaseLost })]
	}
	if rest == nil {
		return err
	}
	return errors.Join(err, rest)
}

// besideLoss returns what err says beside the loss of the lease. How that is noticed
// differs: by a renewal, by a write, by the time, or by a call that was ended for it.
func besideLoss(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var rest []error
		for _, e := range several.Unwrap() {
			rest = append(rest, besideLoss(e))
		}
		return errors.Join(rest...)
	}
	if fault.CodeOf(err) == codes.LeaseLost || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
