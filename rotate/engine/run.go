package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/foresight"
	"github.com/dkimbot/dkimbot/rotate/handover"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/keyring"
	"github.com/dkimbot/dkimbot/rotate/lease"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/quota"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// run is one round of work on one domain.
type run struct {
	engine   *Engine
	want     rotate.Domain
	left     rotate.Request // what was asked and is yet to be done
	lease    *lease.Held
	st       rotate.State // as it is now
	stored   rotate.State // as it was last written
	seen     rotate.Observation
	plan     rotate.DomainPlan
	fresh    map[string]*dkim.PrivateKey // made and not stored yet, by selector
	keys     *keyring.Ring
	unsaved  []rotate.Event // what happened and could not be written yet
	done     []rotate.Event
	failed   bool
	broken   []rotate.Step            // that failed in this run
	cornered []rotate.Step            // revocations that came before any signer had left the key
	relied   []rotate.Step            // that failed at some DNS account, and are relied on all the same
	trouble  error                    // why, where the run continued all the same
	retry    *rotate.Next             // of what has failed in this run
	wentBack bool                     // a rollback was ordered, and is done
	behind   []rotate.Step            // the switches that can be begun while that of the present step takes long
	over     handover.Over            // switches that were begun so
	awaited  bool                     // a signer that signs with nothing waits until the step is over
	vetoed   bool                     // the switch may not begin
	saw      string                   // what the last lookup of a record showed
	looked   map[string]time.Duration // by selector: when its record was looked at last, by Clock.Elapsed
	begun    *rotate.Intent           // the effect that was begun and is not confirmed, since this run wrote its intent
	late     bool                     // that effect may have come after the lease was lost
	grant    *approval.Grant          // what was approved; nil: no approval is needed

	adoption *rotate.Adoption // comes first; nil: none
}

func (e *Engine) newRun(ctx context.Context, t Task, g *approval.Grant, held *lease.Held) (*run, error) {
	have, err := e.Store.Load(ctx, t.Domain.Name)
	if err != nil {
		return nil, err
	}
	now := ports.InstantOf(e.Clock)
	st, ahead := have.Adjusted(now)
	r := &run{engine: e, want: t.Domain, left: t.Request.In(have, t.Domain.Signers), adoption: t.Adoption,
		grant: g, lease: held,
		st: st.AsOf(now.At), stored: rotate.CopyState(have), fresh: map[string]*dkim.PrivateKey{},
		looked: map[string]time.Duration{}, over: handover.Over{}, keys: keyring.New(e.Keys)}
	st, renamed := follow.State(r.st, t.Domain, now.At)
	for i := range renamed {
		renamed[i].By = e.Actor
		e.notify(renamed[i])
	}
	r.st, r.unsaved = st, renamed
	passing{r}.recall()
	observe.Recall(st, e.Signers)
	if ahead > 0 {
		message := fmt.Sprintf("the machine's clock was set forward by %s; waits go by the time that has really passed",
			calendar.Span(ahead.Round(time.Minute)))
		r.unsaved = append(r.unsaved, r.event(rotate.Step{Kind: rotate.ClockSet}, codes.OutcomeNoticed, message))
	}
	return r, r.tookOver(ctx)
}

// judge says what may be done in view of what the run knows now, at the selectors that the domain has.
func (r *run) judge() *health.Judge {
	j := health.NewJudge(r.engine.Clock.Now(), r.want, r.st, r.seen)
	j.Want = health.Managing(r.want, r.st)
	return j
}

// advance plans and carries out, until there is nothing to do now. It observes once, and notes what its own
// steps change. A failure ends it, except in an emergency (continues).
func (r *run) advance(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	for range plan.MaxRounds {
		now := r.engine.Clock.Now()
		if r.st.CompleteSwitch(r.want.Signers, time.Time{}) {
			if err := r.save(ctx, r.drainBegun()...); err != nil {
				return err
			}
		}
		r.plan = foresight.Barred(plan.Plan(now, r.want, r.left, r.st, r.seen), now, follow.Barred(r.st, r.want, now))
		steps := r.plan.Runnable(now)
		err := foresight.Parts{Keys: r.engine.Keys, Account: accounts.Of(r.want, r.engine.Publishers),
			Signers: r.engine.Signers, Switches: r.engine.BeforeSwitches,
			Names: r.engine.Names}.First(ctx, r.want, r.st, r.seen, steps)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.plan.Stop, steps = err, foresight.BesideSwitch(steps, false) // what was used before is kept in order
		}
		held := r.engine.turnstile.MayBegin(ctx, r.plan, r.left.Ignore, now)
		if held != nil {
			steps = foresight.BesideSwitch(steps, r.left.Asked || r.grant != nil)
		}
		if steps, err = r.grant.Permitted(r.want.Name, steps); err != nil {
			return r.refused(rotate.Applied, err)
		}
		if r.trouble != nil {
			steps = foresight.Unbroken(steps, append(stillCornered(r), r.broken...), r.relied)
		}
		switch {
		case len(steps) == 0 && held != nil && r.trouble == nil:
			return r.wait(ctx, held)
		case len(steps) == 0:
			return r.stopped(ctx)
		}
		if err := r.steps(ctx, steps); err != nil {
			err = errors.Join(r.trouble, err)
			if !r.continues(ctx, err) {
				return afterwards{r}.differ(ctx, r.wait(ctx, err))
			}
			r.trouble = err
		}
	}
	return r.fail(ctx, rotate.Step{},
		fault.Lasting("work on "+r.want.Name, errors.New("the plan does not come to rest"),
			"report this as a defect, with the output of dkimbot history"))
}

// prepare takes over what is adopted, observes, asks whether the approval still holds, and does what was ordered:
// all that comes before the first plan.
func (r *run) prepare(ctx context.Context) error {
	if r.adoption != nil {
		if err := r.takeOver(ctx, *r.adoption); err != nil {
			return err
		}
	}
	r.observe(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if refusal, unknown := r.grant.Admit(r.want.Name, r.stored, r.seen); refusal != nil {
		return r.refused(rotate.Applied, refusal)
	} else if unknown != nil {
		return unknown
	}
	for selector, seen := range r.seen.Selectors {
		passing{r}.glimpsed(selector, seen)
	}
	if r.st.Heed(r.want, r.seen, observe.AllLags(r.st, r.want, r.engine.Signers), r.engine.Clock.Now()) {
		if err := r.save(ctx, r.drainBegun()...); err != nil {
			return err
		}
	}
	observe.Tabled(&r.st, r.seen, r.engine.Signers)
	if r.lease.Holds() == nil {
		hasten.Again(ctx, r.judge(), r.engine.Signers)
	}
	return r.obey(ctx)
}

// stopped ends a run that has nothing left to do now, and returns what keeps it from doing all; nil for nothing.
func (r *run) stopped(ctx context.Context) error {
	switch {
	case r.trouble != nil:
		err := unexposed(ctx, r) // it was noted when it happened
		flight := wayout.FlightOf(r.plan.Steps, r.st, r.engine.Clock.Now())
		if flight == nil { // else the plan says when the key is left
			r.plan.Warnings = slices.DeleteFunc(r.plan.Warnings, finding.ReportsExposed)
			err = r.judge().Exposed(err)
		}
		if wayout.Sooner(flight, &r.st) {
			err = errors.Join(err, r.save(ctx))
		}
		return afterwards{r}.differ(ctx, err)
	case r.plan.Stop == nil:
		if err := undone(r); err != nil {
			return r.fail(ctx, rotate.Step{}, err)
		}
		return r.rest(ctx)
	case requestRefused(r.plan.Stop):
		return r.refused("", r.plan.Stop)
	case r.wentBack:
		return nil // what was ordered is done; what is wrong besides is found by the next health check
	}
	err := r.fail(ctx, rotate.Step{}, r.plan.Stop)
	if wayout.Sooner(wayout.Departure(r.plan.Steps, r.engine.Clock.Now()), &r.st) {
		err = errors.Join(err, r.save(ctx))
	}
	return err
}

func (r *run) observe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ports.WorkTime)
	defer cancel()
	ask := func(ctx context.Context, name string) (rotate.SignerSeen, error) {
		signer, err := r.engine.signer(name)
		if err != nil {
			return rotate.SignerSeen{}, err
		}
		return signer.Questions.Call(ctx, observe.Following(r.want, r.st))
	}
	known := func(name string) bool { return r.engine.signers[name] != nil }
	r.seen = observe.Parts{Keys: r.keys, Look: r.engine.Look, Knows: known, Ask: ask}.Domain(ctx, r.want, r.st)
	observe.Traits(&r.seen, r.want.Signers, r.engine.Signers)
	byMail{r}.look(ctx)
	r.claimNames(ctx)
}

// steps carries steps out in their order. After one that fails, only those that need it are left out.
func (r *run) steps(ctx context.Context, steps []rotate.Step) error {
	var errs, held error
	var failed []rotate.Step
	for steps = slices.Clone(steps); len(steps) > 0; {
		slices.SortStableFunc(steps, r.over.First)
		if plan.LeavesLater(r.judge(), steps) {
			continue
		}
		s := steps[0]
		steps = steps[1:]
		if slices.ContainsFunc(failed, s.Needs) || (r.vetoed || held != nil) && s.Duty == rotate.Turn {
			failed = append(failed, s)
			continue
		}
		if !r.over.Of(s) {
			if ctx.Err() != nil {
				return errors.Join(errs, ctx.Err())
			}
			r.notify(s, codes.OutcomeBegun, "")
		}
		r.awaited, r.behind = wayout.Awaited(r.judge(), s, steps), handover.Behind(r.judge(), s, steps, failed)
		err := r.do(ctx, s)
		if why := needless(""); errors.As(err, &why) {
			r.grant.Did(s)
			r.notify(s, codes.OutcomeSkipped, string(why))
			continue
		}
		if err != nil {
			err = r.lease.Because(err)
		}
		if err == nil {
			r.grant.Did(s)
			r.notify(s, codes.OutcomeDone, words(s, r.saw))
			continue
		}
		if back := (*quota.HeldBack)(nil); errors.As(err, &back) {
			held, failed = err, append(failed, s) // nothing of the switch was begun
			continue
		}
		if interrupted(ctx, err) {
			errs = errors.Join(errs, err) // what is over is noted still
			continue
		}
		if (divided{r}).suffices(ctx, s) {
			errs = errors.Join(errs, r.fail(ctx, s, err))
			continue
		}
		failed = append(failed, s)
		if s.Kind == rotate.Revoke && !r.judge().MayRevoke(s.Selector) {
			r.cornered = append(r.cornered, s)
		} else {
			r.broken = append(r.broken, s)
		}
		if finding.SaidBefore(err, errors.Join(r.trouble, errs)) {
			r.notify(s, outcomeOf(err), fault.Text(err))
			continue
		}
		errs = errors.Join(errs, r.fail(ctx, s, r.judge().Cornered(s, err)))
	}
	return errors.Join(errs, held)
}

// rest notes what comes next. The plan was made from what is there now, so nothing that was begun is open (I7).
func (r *run) rest(ctx context.Context) error {
	if r.grant.Idle() {
		return nil
	}
	r.st.Intent = nil
	r.st.Next, r.st.Config = hasten.Next(r.judge(), r.engine.Signers, r.plan.Next), r.want.Fingerprint()
	r.st.Failures, r.st.LastError, r.st.Failed = 0, "", rotate.Failure{}
	r.st.Refused, r.st.NextTry = false, time.Time{}
	r.st.DueAt = time.Time{}
	if r.st.Phase == rotate.Ready {
		if due, err := r.want.Policy.NextDue(r.want.Name, r.st.SwitchedAt); err == nil {
			r.st.DueAt = due
		}
	}
	events := r.drifted()
	if reflect.DeepEqual(r.st, r.stored) {
		return nil
	}
	return r.save(ctx, events...)
}

// fail notes a failed attempt and when to try again; it returns err, joined with
// the error of noting it. Several failures of one run count once. The history
// says once, not each time, why nothing can be done for a domain.
func (r *run) fail(ctx context.Context, s rotate.Step, err error) error {
	at := hasten.Retry(&r.st, r.stored.NextTry, !r.failed, r.engine.Clock.Now())
	outcome := outcomeOf(err)
	r.st.Refused = outcome == codes.OutcomeRefused && (!r.failed || r.st.Refused)
	r.failed = true
	r.st.LastError, r.st.Failed = fault.Text(err), rotate.FailureOf(s, err)
	r.st.NextTry = hasten.By(r.judge(), r.engine.Signers, at)
	r.st.Next = &rotate.Next{Action: codes.ActionRetry, Selector: s.Selector, At: r.st.NextTry,
		Reason: rotate.Reason{Code: codes.Failed, Message: fault.Text(err)}}
	r.retry = r.st.Next
	r.st.Config = r.want.Fingerprint()
	r.notify(s, outcome, fault.Text(err))
	r.engine.failed(r.event(s, outcome, fault.Text(err)), err)
	if fault.KindOf(err) == fault.Refused && fault.CodeOf(err) == codes.LeaseLost {
		return err // and so would be the write
	}
	events := r.drifted()
	if s.Kind == "" && r.stored.Failures > 0 && r.stored.Failed == r.st.Failed {
		return errors.Join(err, r.save(ctx, events...))
	}
	return errors.Join(err, r.save(ctx, append(events, r.event(s, outcome, fault.Text(err)))...))
}

// save writes the state with its events, and those that an earlier failure kept
// from being written. It does so even when ctx is done: what happened must be recorded.
func (r *run) save(ctx context.Context, events ...rotate.Event) error {
	ctx, cancel := ports.Unhurried(ctx)
	defer cancel()
	r.unsaved = append(r.unsaved, events...)
	asked, now := r.engine.Clock.Elapsed(), ports.InstantOf(r.engine.Clock)
	r.st.Clock, r.st.Read = nil, follow.Read(r.st, r.want, now.At)
	if now.Boot != "" {
		r.st.Clock = &now
	}
	revision, err := r.engine.Store.Save(ctx, r.lease.Lease, now.At, r.st, r.unsaved...)
	if fault.CodeOf(err) == codes.LeaseLost {
		r.lease.Lose(err)
	}
	if err != nil {
		return err
	}
	r.lease.Renewed(asked)
	passing{r}.wrote()
	r.begun = nil
	r.st.Revision = revision
	before := r.stored
	r.stored = rotate.CopyState(r.st)
	r.grant.Wrote(r.stored)
	if r.engine.Stored != nil {
		r.engine.Stored(before, r.stored)
	}
	for _, e := range r.unsaved {
		if e.Outcome == codes.OutcomeDone {
			r.done = append(r.done, e)
		}
	}
	r.unsaved = nil
	return nil
}

// drainBegun returns the event that says so, when a switch has just been completed.
func (r *run) drainBegun() []rotate.Event {
	if r.st.Phase != rotate.Draining || r.st.Leaked(r.st.Draining) {
		return nil
	}
	event := r.event(rotate.Step{Kind: rotate.Drain, Selector: r.st.Draining}, codes.OutcomeDone, "")
	event.Code, event.Message = wayout.DrainBegun(r.judge(), r.st.Draining)
	return []rotate.Event{event}
}

func (r *run) event(s rotate.Step, outcome codes.Outcome, message string) rotate.Event {
	keyID := s.To.KeyID
	if s.To.Fresh {
		keyID = keyring.Made(r.fresh[s.Selector], r.st.Selector(s.Selector), r.st.Phase)
	}
	return rotate.Event{Domain: r.want.Name, At: r.engine.Clock.Now(), By: r.engine.Actor, Kind: s.Kind,
		Selector: s.Selector, Signer: s.Signer,
		KeyID: keyID, Outcome: outcome, Message: message, Phase: r.st.Phase}
}

// refused says that a rule refused what a person asked for, or applies. That is no failure of
// the domain: its state stays as it is, so that plans which were made of it still hold.
func (r *run) refused(kind rotate.Kind, err error) error {
	r.notify(rotate.Step{Kind: kind}, codes.OutcomeRefused, fault.Text(err))
	return err
}

func (r *run) notify(s rotate.Step, outcome codes.Outcome, message string) {
	r.engine.notify(r.event(s, outcome, message))
}
