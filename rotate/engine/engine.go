package engine

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/handover"
	"github.com/dkimbot/dkimbot/rotate/lease"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/quota"
)

// Parts is what an Engine works with. All fields are needed unless said otherwise.
type Parts struct {
	Store      ports.Store
	Keys       ports.Keystore
	Look       ports.Looker
	Publishers map[string]ports.Publisher // by the provider's name
	Signers    map[string]ports.Signer    // by the signer's name
	Clock      ports.Clock
	Names      ports.Names // over all domains; nil: then two domains may write to one name
	Workers    int         // domains that are worked on at once; those that only wait don't count

	// SelfTest signs a message with key and verifies it with a key record's value.
	SelfTest func(ctx context.Context, key dkim.SigningKey, record string) error
	// Generate makes a key; dkim.Generate when nil.
	Generate func(dkim.Algorithm) (*dkim.PrivateKey, error)

	Counts ports.Counts // how many domains may begin to switch
	Quota  ports.Quota  // counts them over all processes; may be nil: then nothing is counted by the hour

	Owner     string                  // tells this process from every other, in leases
	Actor     string                  // who acts, for people reading the history: "root@mail1"; Owner when empty
	OwnerDead func(owner string) bool // may be nil: whether a lease's owner is proved to run no more
	Watching  func(ports.Watched)     // may be nil: hears once of a lease that is watched and was not renewed for a while
	// EndPrograms ends the programs that the owner of a lease which was taken over has started, or waits for
	// them. It returns when they can't act any more, or can't be ended. It may be nil.
	EndPrograms func(ctx context.Context, owner string) ports.Orphans

	// Every calls f every d until stop is called; a goroutine that sleeps by the Clock when nil.
	Every func(d time.Duration, f func()) (stop func())

	Notify func(rotate.Event) // may be nil: hears of every step as it begins and ends

	// Consent is asked once before a switch begins, and may be nil. An error keeps
	// the switch from beginning, and is what the attempt fails with.
	Consent func(ctx context.Context, want rotate.Domain, s rotate.Step) error
	// BeforeSwitches is what has to be so that Consent is given, as far as that can be asked beforehand.
	BeforeSwitches []preflight.Question
	// Failed hears of every attempt that failed or was refused, with the cause. That includes attempts
	// that ended before any step; their events name no step. It may be nil.
	Failed func(rotate.Event, error)
	// Stored hears of every write of a domain's state, after it. It may be nil.
	Stored func(before, after rotate.State)
}

// Engine carries out plans: for each step it writes the intent, has the effect,
// sees that it holds, and writes the confirmation (I7). It is safe for
// concurrent use; the lease keeps two runs off one domain (I8).
type Engine struct {
	Parts
	signers   map[string]*handover.Signer
	working   batch.Places // for the domains that may be worked on at once
	making    batch.Places // for the keys that may be made at once
	turnstile *quota.Turnstile

	mu   sync.Mutex
	busy map[string]bool // the domains that this engine works on

	unwritten map[string][]glimpse // by domain; see disturbed.go
}

// NewEngine returns an engine that works with the parts.
func NewEngine(parts Parts) *Engine {
	e := &Engine{Parts: parts, signers: map[string]*handover.Signer{}, busy: map[string]bool{},
		unwritten: map[string][]glimpse{},
		working:   make(batch.Places, max(parts.Workers, 1)), making: make(batch.Places, runtime.GOMAXPROCS(0)),
		turnstile: quota.New(parts.Quota, parts.Counts)}
	for name, s := range parts.Signers {
		e.signers[name] = handover.To(name, s)
	}
	if e.Generate == nil {
		e.Generate = dkim.Generate
	}
	e.Actor = cmp.Or(e.Actor, e.Owner)
	return e
}

// CountByTheHour makes an hour count as one run, for an engine that works for as long as it is there.
func (e *Engine) CountByTheHour() { e.turnstile.ByTheHour() }

// Result is what became of one domain.
type Result struct {
	Domain string
	State  rotate.State
	Done   []rotate.Event     // the steps that were carried out
	Plan   rotate.DomainPlan  // what is left, and what is waited for
	Err    error              // a fault, or the context's error when the work was interrupted between two steps
	Seen   rotate.Observation // what was found at the last look
	Left   []rotate.Step      // of a plan that was applied: the steps that were not carried out
	Holds  bool               // nothing of that plan was begun, and it may be applied again

	left rotate.Request // what was asked and is yet to be done
}

// YetToBegin reports that the rotation which a person asked for has not begun.
func (r Result) YetToBegin() bool { return r.left.Asked }

// round works on a task once, while no other process acts on the domain (I8).
// What it did after it had lost the lease it puts right at once.
func (e *Engine) round(ctx context.Context, t Task, g *approval.Grant) (res Result) {
	var r *run
	res = Result{Domain: t.Domain.Name, left: t.Request}
	defer func() { e.concluded(ctx, t, g, r, &res) }() // when everything is given back
	defer fault.Caught("work on "+t.Domain.Name, &res.Err)
	if res.Err = e.working.Take(ctx); res.Err != nil {
		return res
	}
	defer e.working.Leave()
	if res.Err = e.claim(t.Domain.Name); res.Err != nil {
		return res
	}
	defer e.unclaim(t.Domain.Name)
	held, err := e.leases().Take(ctx, t.Domain.Name, lease.For(t.Domain, t.Request))
	if err != nil {
		res.Err = err
		return res
	}
	defer held.Release(ctx)
	begun, err := e.newRun(ctx, t, g, held)
	if err != nil {
		if held.Lease.TakenFrom != "" {
			held.Abandon() // that it was taken over is not noted: the next run is to learn it, too
		}
		res.Err = err
		return res
	}
	r = begun
	res.Err = r.outlived(ctx, r.advance(ctx))
	return res
}

// concluded completes the result of a run, nil when none was begun, reports a failure that
// was not reported yet, and looks at the domain again after an effect that may have come too late.
func (e *Engine) concluded(ctx context.Context, t Task, g *approval.Grant, r *run, res *Result) {
	if r != nil {
		res.State, res.Done, res.Plan, res.Seen, res.left = r.st, r.done, r.plan, r.seen, r.left
		res.left.Asked = r.left.Asked && r.st.Phase == rotate.Ready && r.st.Released == nil
		g.Leave(r.stored)
	}
	switch {
	case res.Err == nil || r != nil && r.failed: // nothing, or it was reported
	case interrupted(ctx, res.Err):
		res.Err = ctx.Err() // nothing failed, whoever noticed
	default:
		e.failed(rotate.Event{Domain: res.Domain, At: e.Clock.Now(), By: e.Actor, Outcome: outcomeOf(res.Err),
			Message: fault.Text(res.Err), Phase: res.State.Phase}, res.Err)
	}
	if r == nil || !r.late || ctx.Err() != nil {
		return
	}
	rest := rotate.Request{Patient: true, Ignore: t.Request.Ignore, Approved: t.Request.Approved}
	if again := e.round(ctx, Task{Domain: t.Domain, Request: rest}, nil); again.Err == nil {
		res.State, res.Plan, res.Seen = again.State, again.Plan, again.Seen
		res.Done = append(res.Done, again.Done...)
	}
}

func (e *Engine) notify(what rotate.Event) {
	if e.Notify != nil {
		e.Notify(what)
	}
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
func outcomeOf(err error) codes.Outcome {
	if fault.KindOf(err) == fault.Refused {
		return codes.OutcomeRefused
	}
	return codes.OutcomeFailed
}

// signer returns the signer of that name.
func (e *Engine) signer(name string) (*handover.Signer, error) {
	if s := e.signers[name]; s != nil {
		return s, nil
	}
	return nil, observe.UnknownSigner(name)
}

// claim keeps two calls in this process off one domain: they share an owner, so the lease alone would not.
func (e *Engine) claim(domain string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[domain] {
		return fault.Refuse(codes.LeaseHeld, domain+" is being worked on by this process already", "wait until that is done")
	}
	e.busy[domain] = true
	return nil
}

func (e *Engine) unclaim(domain string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.busy, domain)
}

// make returns a fresh key; as many are made at once as there are processors.
func (e *Engine) make(ctx context.Context, alg dkim.Algorithm) (*dkim.PrivateKey, error) {
	if err := e.making.Take(ctx); err != nil {
		return nil, err
	}
	defer e.making.Leave()
	return e.Generate(alg)
}

// pause gives the place of a domain that only waits to another domain.
func (e *Engine) pause(ctx context.Context, d time.Duration) error {
	e.working.Leave()
	defer func() { e.working <- struct{}{} }() // soon: no task keeps a place while it waits
	return e.Clock.Sleep(ctx, d)
}

func (e *Engine) leases() *lease.Keeper {
	return &lease.Keeper{Store: e.Store, Clock: e.Clock, Owner: e.Owner, OwnerDead: e.OwnerDead, Watching: e.Watching,
		Every: e.Every, Pause: e.pause}
}
