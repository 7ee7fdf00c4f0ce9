package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Parts is what an Engine works with. All fields are needed unless said otherwise.
type Parts struct {
	Store      rotate.Store
	Keys       rotate.Keystore
	Look       rotate.Looker
	Publishers map[string]rotate.Publisher // by the provider's name
	Signers    map[string]rotate.Signer    // by the signer's name
	Clock      rotate.Clock
	Names      rotate.Names // over all domains; nil: then two domains may write to one name
	Workers    int          // domains that are worked on at once; those that only wait don't count

	// SelfTest signs a message with key and verifies it with a key record's value.
	SelfTest func(ctx context.Context, key dkim.SigningKey, record string) error
	// Generate makes a key; dkim.Generate when nil.
	Generate func(dkim.Algorithm) (*dkim.PrivateKey, error)

	Counts rotate.Counts // how many domains may begin to switch
	Quota  rotate.Quota  // counts them over all processes; may be nil: then nothing is counted by the hour

	Owner     string                  // tells this process from every other, in leases
	Actor     string                  // who acts, for people reading the history: "root@mail1"; Owner when empty
	OwnerDead func(owner string) bool // may be nil: whether a lease's owner is proved to run no more
	Watching  func(rotate.Watched)    // may be nil: told once of a lease that is watched and was not renewed for a while

	// Every calls f every d until stop is called; a goroutine that sleeps by the Clock when nil.
	Every func(d time.Duration, f func()) (stop func())

	Notify func(rotate.Event) // may be nil: told of every step as it begins and ends

	// Consent is asked once before a switch begins, and may be nil. An error keeps
	// the switch from beginning, and is what the attempt fails with.
	Consent func(ctx context.Context, want rotate.Domain, s rotate.Step) error
	// Failed is told of every attempt that failed or was refused, with the cause: of
	// those that ended before any step, too, whose events name none. It may be nil.
	Failed func(rotate.Event, error)
	// Stored is told of every write of a domain's state, after it. It may be nil.
	Stored func(before, after rotate.State)
}

// Engine carries out plans: for each step it writes the intent, has the effect,
// sees that it holds, and writes the confirmation (I7). It is safe for
// concurrent use; the lease keeps two runs off one domain (I8).
type Engine struct {
	Parts
	signers   map[string]*batchedSigner
	working   places // for the domains that may be worked on at once
	making    places // for the keys that may be made at once
	turnstile *turnstile

	mu     sync.Mutex
	inHand map[string]bool // the domains that this engine works on
}

// NewEngine returns an engine that works with the parts.
func NewEngine(parts Parts) *Engine {
	e := &Engine{Parts: parts, signers: map[string]*batchedSigner{}, inHand: map[string]bool{},
		working: make(places, max(parts.Workers, 1)), making: make(places, runtime.GOMAXPROCS(0)), turnstile: newTurnstile(parts.Quota, parts.Counts)}
	for name, s := range parts.Signers {
		e.signers[name] = batch(name, s)
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
	State  rotate.State
	Done   []rotate.Event    // the steps that were carried out
	Plan   rotate.DomainPlan // what is left, and what is waited for
	Err    error             // a fault, or the context's error when the work was interrupted between two steps

	Left  []rotate.Step // of a plan that was applied: the steps that were not carried out
	Holds bool          // nothing of that plan was begun, and it may be applied again

	left rotate.Request // what was asked and is yet to be done
}

// YetToBegin reports that the rotation which a person asked for has not begun.
func (r Result) YetToBegin() bool { return r.left.Asked }

// Advance takes every step of the domain that may be taken now, and returns when
// there is something to wait for, a step failed, or ctx is done. A step that has
// begun is finished or fails before Advance returns, also when ctx is done. A
// defect met on the way is an error of this domain and harms no other.
func (e *Engine) Advance(ctx context.Context, want rotate.Domain, req rotate.Request) Result {
	return e.inHandFor(ctx, want, req, func(ctx context.Context, r *run) error { return r.advance(ctx) })
}

// inHandFor takes the domain in hand, so that nobody else acts on it (I8), for as long
// as work takes. What it did after it had lost the lease it puts right at once.
func (e *Engine) inHandFor(ctx context.Context, want rotate.Domain, req rotate.Request, work func(context.Context, *run) error) Result {
	res, late := e.inHandOnce(ctx, want, req, work)
	if !late || ctx.Err() != nil {
		return res
	}
	rest := rotate.Request{Patient: true, Ignore: req.Ignore, Approved: req.Approved}
	again, _ := e.inHandOnce(ctx, want, rest, func(ctx context.Context, r *run) error { return r.advance(ctx) })
	if again.Err == nil {
		res.State, res.Plan = again.State, again.Plan
		res.Done = append(res.Done, again.Done...)
	}
	return res
}

// inHandOnce is inHandFor, and reports whether an effect may have come too late.
func (e *Engine) inHandOnce(ctx context.Context, want rotate.Domain, req rotate.Request, work func(context.Context, *run) error) (res Result, late bool) {
	res = Result{Domain: want.Name, left: req}
	told := false // of the failure
	err := caught("work on "+want.Name, func() error {
		if err := e.working.take(ctx); err != nil {
			return err
		}
		defer e.working.leave()
		if err := e.claim(want.Name); err != nil {
			return err
		}
		defer e.unclaim(want.Name)
		grip, err := e.take(ctx, want, req)
		if err != nil {
			return err
		}
		defer grip.release(ctx)
		r, err := e.newRun(ctx, want, req, grip)
		if err != nil {
			return err
		}
		defer func() { r.report(&res); told, late = r.failed, r.late }()
		return r.outlived(ctx, work(ctx, r))
	})
	switch {
	case err == nil || told:
	case interrupted(ctx, err):
		err = ctx.Err() // nothing failed, whoever noticed
	default:
		e.failed(rotate.Event{Domain: want.Name, At: e.Clock.Now(), By: e.Actor, Outcome: outcomeOf(err), Message: fault.Text(err), Phase: res.State.Phase}, err)
	}
	res.Err = err
	return res, late
}

func (e *Engine) failed(what rotate.Event, why error) {
	if e.Failed != nil {
		e.Failed(what, why)
	}
}

// interrupted reports whether err says no more than that ctx is done.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// outcomeOf returns the outcome of an attempt that ended with err.
func outcomeOf(err error) string {
	if fault.KindOf(err) == fault.Refused {
		return "refused"
	}
	return "failed"
}

// signer returns the signer of that name.
func (e *Engine) signer(name string) (*batchedSigner, error) {
	if s := e.signers[name]; s != nil {
		return s, nil
	}
	return nil, unknownSigner(name)
}

// lags returns how long after its activation each of the signers has surely changed.
func (e *Engine) lags(signers []string) map[string]time.Duration {
	lags := make(map[string]time.Duration, len(signers))
	for _, name := range signers {
		if s := e.Signers[name]; s != nil {
			lags[name] = s.Lag()
		}
	}
	return lags
}

// claim keeps two calls in this process off one domain: they share an owner, so
// the lease alone would not.
func (e *Engine) claim(domain string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inHand[domain] {
		return fault.Refuse("lease-held", domain+" is being worked on by this process already", "wait until that is done")
	}
	e.inHand[domain] = true
	return nil
}

func (e *Engine) unclaim(domain string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.inHand, domain)
}

// make returns a fresh key; as many are made at once as there are processors.
func (e *Engine) make(ctx context.Context, alg dkim.Algorithm) (*dkim.PrivateKey, error) {
	if err := e.making.take(ctx); err != nil {
		return nil, err
	}
	defer e.making.leave()
	return e.Generate(alg)
}

// places limits how many do something at once.
type places chan struct{}

// take waits for a place, until ctx is done.
func (p places) take(ctx context.Context) error {
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p places) leave() { <-p }

// unhurried returns a context for what has to be finished once it has begun: it
// outlives ctx, and ends after workTime.
func unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), rotate.WorkTime)
}

// caught runs f and returns its panic as an error, so that a defect met in one
// part fails what needs that part, and nothing else.
func caught(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Lasting(what, fmt.Errorf("internal error: %v", p), "report this as a defect")
		}
	}()
	return f()
}
