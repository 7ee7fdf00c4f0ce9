package rotate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Parts is what an Engine works with. All fields are needed unless said otherwise.
type Parts struct {
	Store      Store
	Keys       Keystore
	Look       Looker
	Publishers map[string]Publisher // by the provider's name
	Signers    map[string]Signer    // by the signer's name
	Clock      Clock
	Workers    int // domains that are worked on at once; those that only wait don't count

	// SelfTest signs a message with key and verifies it with a key record's value.
	SelfTest func(ctx context.Context, key dkim.SigningKey, record string) error
	// Generate makes a key; dkim.Generate when nil.
	Generate func(dkim.Algorithm) (*dkim.PrivateKey, error)

	Owner     string                  // tells this process from every other, in leases
	Actor     string                  // who acts, for people reading the history: "root@mail1"; Owner when empty
	OwnerDead func(owner string) bool // may be nil: whether a lease's owner surely runs no more
	Notify    func(Event)             // may be nil: told of every step as it begins and ends
}

// Engine carries out plans: for each step it writes the intent, has the effect,
// sees that it holds, and writes the confirmation (I7). It is safe for
// concurrent use; the lease keeps two runs off one domain (I8).
type Engine struct {
	Parts
	signers map[string]*batchedSigner
	working chan struct{} // one place for each domain that may be worked on at once
	making  chan struct{} // one place for each key that may be made at once
}

// NewEngine returns an engine that works with the parts.
func NewEngine(parts Parts) *Engine {
	e := &Engine{Parts: parts, signers: map[string]*batchedSigner{},
		working: make(chan struct{}, max(parts.Workers, 1)), making: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for name, s := range parts.Signers {
		e.signers[name] = batch(s)
	}
	if e.Generate == nil {
		e.Generate = dkim.Generate
	}
	e.Actor = cmp.Or(e.Actor, e.Owner)
	return e
}

// Result is what became of one domain.
type Result struct {
	Domain string
	State  State
	Done   []Event    // the steps that were carried out
	Plan   DomainPlan // what is left, and what is waited for
	Err    error      // a fault, or the context's error when the work was interrupted between two steps
}

// workTime bounds everything that one step may take besides the wait for DNS.
// The lease outlives it, so an effect can't happen after the lease was lost.
const workTime = 5 * time.Minute

// maxRounds bounds how often one Advance plans anew; a rotation needs three.
const maxRounds = 12

// Advance takes every step of the domain that may be taken now, and returns when
// there is something to wait for, a step failed, or ctx is done. A step that has
// begun is finished or fails before Advance returns, also when ctx is done.
func (e *Engine) Advance(ctx context.Context, want Domain) Result {
	select {
	case e.working <- struct{}{}:
		defer func() { <-e.working }()
	case <-ctx.Done():
		return Result{Domain: want.Name, Err: ctx.Err()}
	}
	lease, err := e.acquire(ctx, want)
	if err != nil {
		return Result{Domain: want.Name, Err: err}
	}
	defer e.Store.Release(context.WithoutCancel(ctx), lease) //nolint:errcheck // it expires by itself
	have, err := e.Store.Load(ctx, want.Name)
	if err != nil {
		return Result{Domain: want.Name, Err: err}
	}
	r := &run{engine: e, want: want.asked(have), lease: lease, st: copyState(have), stored: have,
		fresh: map[string]*dkim.PrivateKey{}}
	r.err = r.advance(ctx)
	return Result{Domain: want.Name, State: r.st, Done: r.done, Plan: r.plan, Err: r.err}
}

func (e *Engine) acquire(ctx context.Context, want Domain) (Lease, error) {
	req := LeaseRequest{Domain: want.Name, Owner: e.Owner, Now: e.Clock.Now(), TTL: want.VerifyTimeout + 2*workTime}
	lease, err := e.Store.Acquire(ctx, req)
	var held *HeldError
	if errors.As(err, &held) && e.OwnerDead != nil && e.OwnerDead(held.Owner) {
		req.Evict = held.Fence
		lease, err = e.Store.Acquire(ctx, req)
	}
	if errors.As(err, &held) {
		return Lease{}, &fault.Error{Kind: fault.Refused, Code: "lease-held", Err: held, What: "take " + want.Name + " in hand",
			Hint: "wait for the other process, or for its lease to run out; two processes never act on one domain at once"}
	}
	return lease, err
}

// run is one Advance of one domain.
type run struct {
	engine *Engine
	want   Domain
	lease  Lease
	st     State // as it is now
	stored State // as it was last written
	seen   Observation
	plan   DomainPlan
	fresh  map[string]*dkim.PrivateKey // made and not stored yet, by selector
	done   []Event
	err    error
}

func (r *run) advance(ctx context.Context) error {
	r.seen = observe(ctx, r.want, r.engine.Keys, r.engine.Look, func(ctx context.Context, signer string) (dkim.Ref, error) {
		return r.engine.signers[signer].questions.call(ctx, r.want.Name)
	})
	for range maxRounds {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.st.completeSwitch(r.want.Signers) // a signer may have been taken out of the configuration
		now := r.engine.Clock.Now()
		r.plan = Plan(now, r.want, r.st, r.seen)
		if r.plan.Stop != nil {
			return r.fail(ctx, Step{}, r.plan.Stop)
		}
		steps := r.plan.Runnable(now)
		if len(steps) == 0 {
			return r.rest(ctx)
		}
		if err := r.steps(ctx, steps); err != nil {
			return err
		}
	}
	return r.fail(ctx, Step{}, fault.Lasting("work on "+r.want.Name, errors.New("the plan does not come to rest"), "report this as a defect, with the output of dkimbot history"))
}

// steps carries steps out one after the other. Signers are independent: when one
// fails, the others are switched all the same.
func (r *run) steps(ctx context.Context, steps []Step) error {
	var failed error
	for _, s := range steps {
		if failed != nil && s.Kind != Activate {
			break
		}
		if ctx.Err() != nil {
			return errors.Join(failed, ctx.Err())
		}
		r.notify(s, "begun", "")
		err := r.do(ctx, s)
		if err == nil {
			r.notify(s, "done", "")
			continue
		}
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return errors.Join(failed, err) // interrupted, not failed
		}
		failed = errors.Join(failed, r.fail(ctx, s, err))
		if s.Kind != Activate {
			break
		}
	}
	return failed
}

// rest notes what comes next.
func (r *run) rest(ctx context.Context) error {
	r.st.Next, r.st.Config = r.plan.Next, r.want.Fingerprint()
	r.st.Failures, r.st.LastError, r.st.NextTry = 0, "", time.Time{}
	r.st.DueAt = time.Time{}
	if due, err := r.want.Policy.NextDue(r.want.Name, r.st.SwitchedAt); err == nil && r.st.Phase == Ready {
		r.st.DueAt = due
	}
	if reflect.DeepEqual(r.st, r.stored) {
		return nil
	}
	return r.save(ctx)
}

// fail notes a failed attempt and when to try again; it returns err, joined with
// the error of noting it.
func (r *run) fail(ctx context.Context, s Step, err error) error {
	now := r.engine.Clock.Now()
	r.st.Failures++
	r.st.LastError = err.Error()
	r.st.NextTry = now.Add(Backoff(r.st.Failures))
	r.st.Next = &Next{Action: "retry", Selector: s.Selector, At: r.st.NextTry, Reason: Reason{"failed", err.Error()}}
	r.st.Config = r.want.Fingerprint()
	outcome := "failed"
	if fault.KindOf(err) == fault.Refused {
		outcome = "refused"
	}
	r.notify(s, outcome, err.Error())
	return errors.Join(err, r.save(ctx, r.event(s, outcome, err.Error())))
}

// Backoff returns how long to wait after the given number of failures in a row:
// half a minute at first, twice as long each time, an hour at most.
func Backoff(failures int) time.Duration {
	const first, most = 30 * time.Second, time.Hour
	wait := first
	for range failures - 1 {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}

// save writes the state with its events. It does so even when ctx is done:
// what happened must be recorded.
func (r *run) save(ctx context.Context, events ...Event) error {
	revision, err := r.engine.Store.Save(context.WithoutCancel(ctx), r.lease, r.engine.Clock.Now(), r.st, events...)
	if err != nil {
		return err
	}
	r.st.Revision = revision
	r.stored = copyState(r.st)
	for _, e := range events {
		if e.Outcome == "done" {
			r.done = append(r.done, e)
		}
	}
	return nil
}

func (r *run) event(s Step, outcome, message string) Event {
	keyID := s.After["key_id"]
	if keyID == Generated {
		keyID = r.made(s.Selector)
	}
	return Event{Domain: r.want.Name, At: r.engine.Clock.Now(), By: r.engine.Actor, Kind: s.Kind, Selector: s.Selector, Signer: s.Signer,
		KeyID: keyID, Outcome: outcome, Message: message, Phase: r.st.Phase}
}

// made returns the id of the key that this run makes for the selector, which the
// plan could not know; "" as long as there is none.
func (r *run) made(selector string) string {
	if key := r.fresh[selector]; key != nil {
		return key.ID()
	}
	sel := r.st.selector(selector)
	switch key := sel.pending(r.st.Phase); {
	case key != nil:
		return key.ID
	case len(sel.Retired) > 0:
		return sel.Key.ID
	}
	return ""
}

func (r *run) notify(s Step, outcome, message string) {
	if r.engine.Notify != nil {
		r.engine.Notify(r.event(s, outcome, message))
	}
}

// make returns a fresh key; as many are made at once as there are processors.
func (e *Engine) make(ctx context.Context, alg dkim.Algorithm) (*dkim.PrivateKey, error) {
	select {
	case e.making <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-e.making }()
	return e.Generate(alg)
}

// guarded keeps a defect met in one domain from holding up the others.
func (e *Engine) guarded(ctx context.Context, d Domain) (res Result) {
	defer func() {
		if p := recover(); p != nil {
			res = Result{Domain: d.Name, Err: fault.Lasting("work on "+d.Name, fmt.Errorf("internal error: %v", p), "report this as a defect")}
		}
	}()
	return e.Advance(ctx, d)
}
