package rotate

import (
	"slices"
	"strings"
	"time"
)

// vague findings say that something could not be told. Their words differ each
// time; what was said first is kept, so that nothing is written when nothing is new.
func (f Finding) vague() bool {
	return slices.Contains([]string{RecordsDiffer, RecordBogus, RecordUnseen, KeyUnread, SignerSilent}, f.Code)
}

// thing is what a finding is about: a selector's record, its key in the keystore, a signer.
func (f Finding) thing() string {
	kind, _, _ := strings.Cut(f.Code, "-")
	if f.Code == RecordsDiffer || f.Code == RecordsDoubled {
		kind = "record"
	}
	return kind + " " + f.Selector + f.Signer
}

func (f Finding) same(other Finding) bool {
	return f.Code == other.Code && f.Selector == other.Selector && f.Signer == other.Signer
}

// dated returns what was found with the times since when it is known, and what was
// known and can't be told now: it is taken to be as it was.
func dated(found, known []Finding) []Finding {
	var out []Finding
	for _, f := range found {
		if i := slices.IndexFunc(known, f.same); i >= 0 {
			f.Since = known[i].Since
			if f.vague() {
				f = known[i]
			}
		}
		out = append(out, f)
	}
	for _, k := range known {
		untold := func(f Finding) bool {
			return f.thing() == k.thing() && (f.Code == RecordUnseen || f.Code == KeyUnread || f.Code == SignerSilent)
		}
		if slices.ContainsFunc(found, untold) && !slices.ContainsFunc(out, k.same) {
			out = append(out, k)
		}
	}
	return out
}

// found notes what differs now, and returns what is new and what is over.
func (st *State) found(drift []Finding, now time.Time) (noticed, over []Finding) {
	before := st.Drift
	st.Drift = dated(drift, before)
	for i, f := range st.Drift {
		if f.Since.IsZero() {
			st.Drift[i].Since = now
			noticed = append(noticed, f)
		}
	}
	for _, k := range before {
		if !slices.ContainsFunc(st.Drift, k.same) {
			over = append(over, k)
		}
	}
	return noticed, over
}

// drifted notes in the state what differs now, and returns the events that tell
// what is new and what is over. What stops the work is told as its refusal or failure.
func (r *run) drifted() []Event {
	if r.seen.Selectors == nil {
		return nil // interrupted before anything was seen
	}
	var events []Event
	tell := func(f Finding, outcome string) {
		events = append(events, r.event(Step{Kind: Look, Selector: f.Selector, Signer: f.Signer}, outcome, f.Message))
	}
	noticed, over := r.st.found(Drift(r.want, r.st, r.seen), r.engine.Clock.Now())
	for _, f := range noticed {
		if r.plan.Stop == nil || f.Message != r.plan.Stop.Error() {
			tell(f, "noticed")
		}
	}
	for _, f := range over {
		tell(f, "over")
	}
	for _, e := range events {
		if r.engine.Notify != nil {
			r.engine.Notify(e)
		}
	}
	return events
}
