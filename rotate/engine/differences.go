package engine

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
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
	return events
}
