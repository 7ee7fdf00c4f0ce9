package engine

import (
	"context"
	"errors"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// obey gives the instruction that came with the request, durably, before anything is planned.
func (r *run) obey(ctx context.Context) error {
	st, events, err := order.Apply(r.engine.Clock.Now(), r.want, r.left, r.st, r.seen)
	if err != nil {
		return r.turnDown(ctx, err)
	}
	if len(events) == 0 {
		return nil
	}
	if othersThan(r.st, st) {
		switch stop := lookAtNew(ctx, r, st); {
		case ctx.Err() != nil:
			return ctx.Err()
		case stop != nil && st.Active == "": // back at those it had, it continues with what can be done
			return r.turnDown(ctx, stop)
		}
	}
	r.st, r.left.Instruction = st, nil
	if h := r.st.OnHold; h != nil && h.KeyID == "" && h.By == "" {
		h.By = r.engine.Actor
	}
	r.st.StillUsed(r.want, r.seen, observe.AllLags(r.st, r.want, r.engine.Signers), r.engine.Clock.Now())
	for i := range events {
		events[i].By = r.engine.Actor
		r.engine.notify(events[i])
	}
	return r.save(ctx, append(r.plansUsed(), events...)...) // also where the steps of the plan come later
}

// turnDown notes in the history that an order was refused. The domain continues as before: a person's
// mistake is not a failure of the domain.
func (r *run) turnDown(ctx context.Context, err error) error {
	if r.st.Revision == 0 {
		return err
	}
	e := r.event(rotate.Step{Kind: r.left.Instruction.Kind()}, codes.OutcomeRefused, fault.Text(err))
	r.engine.notify(e)
	r.left.Instruction = nil
	return errors.Join(r.save(ctx, e), err)
}

// othersThan reports whether an instruction has given the domain other selectors.
func othersThan(before, after rotate.State) bool {
	return follow.SelectorPair(before) != follow.SelectorPair(after)
}

// lookAtNew looks at the selectors to which the domain is to move over, and returns why it can't begin there: what
// is in the way, such as a record of somebody else, is known before the old ones are left.
func lookAtNew(ctx context.Context, r *run, moved rotate.State) error {
	before := r.st
	r.st = moved
	r.observe(ctx)
	stop := plan.Plan(r.engine.Clock.Now(), r.want, rotate.Request{Ignore: r.left.Ignore}, moved, r.seen).Stop
	r.st = before
	return stop
}
