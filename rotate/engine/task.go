package engine

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/hasten"
)

// Task is what an engine is to do for one domain. Its schedule and its phase say most of it.
type Task struct {
	Domain rotate.Domain
	// Request is what a person asks for: one rotation, and one instruction. A rotation that
	// is in progress, or has started by now, continues and no further one is started.
	Request rotate.Request
	// Approval, if there is one, is all that may be done. Of the request only Ignore counts then.
	//
	// Under the lease the engine makes sure that everything is as it was when the steps were
	// planned, and does what Plan says as long as that was approved. With the first effect it
	// notes in the state that the plan is used, so that it can't be used again. Whatever else
	// would have to be done is a Refused fault, "stale-plan", and ends the work. A domain whose
	// lease, state or surroundings can't be had fails, and its approval still holds; it does so
	// after a veto, a limit or a failure before the first effect, too. What is left at the end is
	// in Result.Left; from there the domain is looked after like any other.
	Approval *approval.Approval
	// Adoption, if there is one, comes first: its keys are taken under management. The other
	// selector gets its key then, the signers are given the adopted key through dkimbot, and the
	// domain becomes ready. DNS must show each key, and the keystore must hold nothing in its
	// place. A refusal changes nothing. An adoption that was interrupted continues by itself when
	// its key is in the keystore, else when it is given again (I7).
	Adoption *rotate.Adoption
}

// Patience says how long a run may stay for what has to be waited for. The zero Patience stays for nothing.
type Patience struct {
	Most  time.Duration // waits shorter than this are waited out, others end the run
	Retry bool          // failures that may pass by themselves are tried again, for less than Most in a row
}

// allows reports whether to stay for next after a round that ended with err; every round since failing has failed.
func (p Patience) allows(err error, next rotate.Next, now, failing time.Time) bool {
	if err == nil || next.Action != codes.ActionRetry && next.At.After(now) { // a failure is not what is waited for
		return next.At.Sub(now) < p.Most
	}
	return p.Retry && fault.KindOf(err) == fault.Transient && next.At.Sub(failing) < p.Most
}

// work is what is left of a task between its rounds.
type work struct {
	Task
	grant   *approval.Grant // of Approval
	done    []rotate.Event
	last    rotate.State // as it was seen last
	failing time.Time    // since when every round has failed, if the last one did
	tries   int          // how many in a row have failed
}

func newWork(t Task) *work {
	w := &work{Task: t}
	w.Request.Patient = t.Request.Named
	if t.Approval != nil {
		w.grant = approval.NewGrant(*t.Approval)
		w.Request = rotate.Request{Asked: t.Approval.Asked, Named: true, Approved: true, Ignore: t.Request.Ignore,
			Instruction: t.Approval.Instruction}
	}
	return w
}

// over takes account of how a round ended that began at began, and completes its result
// with what the rounds before have done. It returns what is to be waited for, nil for nothing.
func (w *work) over(res *Result, began, now time.Time) *rotate.Next {
	w.Request.Asked, w.Request.Instruction = res.left.Asked, res.left.Instruction
	w.Request.Named = w.Request.Named && (w.grant != nil || len(res.Done) == 0)
	w.done = append(w.done, res.Done...)
	if res.State.Domain == "" {
		res.State = w.last
	}
	w.last, res.Done = res.State, w.done
	if w.tries++; w.tries == 1 {
		w.failing = now
	}
	if res.Err == nil {
		w.tries = 0
	}
	if g := w.grant; g != nil {
		next := g.Next(res.Plan, res.Err, began, now.Add(hasten.Pause(res.State, w.tries)))
		res.Left, res.Holds = g.LeftOf(res.Plan, res.Err), g.Holds(res.Err) || res.Err == nil && next != nil && g.Idle()
		return next
	}
	next := res.State.Next
	switch {
	case w.Adoption != nil: // it failed: whoever ordered it is to look at that first
		return nil
	case res.State.Released != nil: // what is waited for then is other people's doing
		return nil
	case next == nil || next.Action == codes.ActionResume || next.Action == codes.ActionRotate && !res.left.Asked:
		return nil
	}
	return next
}
