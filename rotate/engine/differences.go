package engine

import (
	"context"
	"errors"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// drifted notes in the state what differs now, and returns the events that report it
// what is new and what is over. What stops the work is reported as its refusal or failure.
func (r *run) drifted() []rotate.Event {
	var events []rotate.Event
	report := func(f finding.Finding, outcome codes.Outcome) {
		events = append(events, r.event(rotate.Step{Kind: rotate.Look, Selector: f.Selector, Signer: f.Signer},
			outcome, f.Message))
	}
	now := r.engine.Clock.Now()
	noticed, over := r.st.Found(health.Drift(now, r.want, r.st, r.seen), now)
	for _, f := range noticed {
		if !f.Is(r.plan.Stop) {
			report(f, codes.OutcomeNoticed)
		}
	}
	for _, f := range over {
		report(f, codes.OutcomeOver)
	}
	for _, e := range events {
		r.engine.notify(e)
	}
	hasten.Press(&r.st, now)
	return events
}

// differ notes, in a run in which something failed, what its later steps have put in order, or have made worse: a
// signer that could not leave a key which was revoked then. It returns err, joined with the error of noting it.
func (r afterwards) differ(ctx context.Context, err error) error {
	if !r.failed || len(r.unsaved) > 0 || r.lease.Holds() != nil {
		return err
	}
	events := r.drifted()
	if len(events) == 0 {
		return err
	}
	return errors.Join(err, r.save(ctx, events...))
}
