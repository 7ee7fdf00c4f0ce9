package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

const (
	// leasePatience is how long a person's command waits for another process, such as
	// the daemon, that is seen to work on the domain just then.
	leasePatience = 10 * time.Second
	// longestGlance is how long a lease that is watched is not looked at, at most.
	longestGlance = 5 * time.Second
	// quietFor is how long a lease is not renewed before that is told of.
	quietFor = rotate.LeaseBeat + longestGlance
)

// watch is the watching of a lease that another owner holds.
type watch struct {
	seen   *rotate.Lease // as it was seen last; nil: not yet
	since  time.Duration // when that was, by Clock.Elapsed
	quiet  time.Duration // for how long it was seen not to be renewed
	asleep time.Duration // how long nobody looked, as it was meant
	length time.Duration // for how long it has to be watched
	moved  bool          // it was renewed, or passed to another owner, while it was watched
	told   bool
}

// see notes how the lease stands at now. Time in which this process was stopped
// does not count: the owner may have been stopped, too, and had no chance to renew it.
func (w *watch) see(l rotate.Lease, now time.Duration, length time.Duration) {
	switch {
	case w.seen == nil:
		w.length = length
	case l.Unchanged(*w.seen):
		w.quiet += min(now-w.since, 2*w.asleep)
	default:
		w.moved, w.quiet, w.length = true, 0, length
	}
	w.seen, w.since = &l, now
}

// take takes the lease on a domain. One that another process holds is watched until
// that is seen to work, or the lease has not been renewed for its whole length; a
// person's command, which names the domain, waits a little longer for a process that works.
func (e *Engine) take(ctx context.Context, want rotate.Domain, req rotate.Request) (*grip, error) {
	began, w, glance := e.Clock.Elapsed(), watch{}, 100*time.Millisecond
	var evict *rotate.Lease
	for {
		asked := e.Clock.Elapsed()
		ask := rotate.LeaseRequest{Domain: want.Name, Owner: e.Owner, Now: e.Clock.Now(), TTL: rotate.LeaseLength, Evict: evict}
		lease, err := e.Store.Acquire(ctx, ask)
		if err == nil {
			return e.grasp(lease, asked, w.quiet > 0), nil
		}
		var held *rotate.HeldError
		if !errors.As(err, &held) {
			return nil, err
		}
		w.see(held.Lease, e.Clock.Elapsed(), held.Length(e.Clock.Now(), want.VerifyTimeout))
		patient := (req.Named || req.Patient) && e.Clock.Elapsed()-began < leasePatience
		switch evict = w.seen; {
		case e.OwnerDead != nil && e.OwnerDead(held.Owner), w.quiet >= w.length:
			continue // and take it, if it still stands as it was seen
		case w.moved && !patient:
			return nil, leaseHeld(held)
		}
		evict = nil
		e.tellWatched(&w)
		glance = min(2*glance, longestGlance)
		w.asleep = glance
		if err := e.pause(ctx, glance); err != nil {
			return nil, err
		}
	}
}

// pause leaves the place of a domain that only waits to another one.
func (e *Engine) pause(ctx context.Context, d time.Duration) error {
	e.working.leave()
	defer func() { e.working <- struct{}{} }() // soon: nobody keeps a place while waiting
	return e.Clock.Sleep(ctx, d)
}

func leaseHeld(held *rotate.HeldError) error {
	return &fault.Error{Kind: fault.Refused, Code: "lease-held", Err: held, What: "take " + held.Domain + " in hand",
		Hint: fmt.Sprintf("wait for the other process, or end it: its lease is taken over at once when it is known to be dead, else %s after it was last renewed", rotate.LeaseLength)}
}

func (e *Engine) tellWatched(w *watch) {
	if w.quiet >= quietFor && !w.told && e.Watching != nil {
		w.told = true
		e.Watching(rotate.Watched{Lease: *w.seen, Length: w.length, Left: w.length - w.quiet})
	}
}

// tookOver says in the history whose lease was taken over without proof that it is
// dead. What any owner had begun may yet come, also from a program that it had started,
// so the domain is looked after closely for as long.
func (r *run) tookOver(ctx context.Context) error {
	owner := r.grip.lease.TakenFrom
	if owner != "" && r.grip.watched {
		r.unsaved = append(r.unsaved, r.event(rotate.Step{Kind: rotate.LeaseTaken}, "noticed", "the lease of "+owner+" was taken over: it had not been renewed for its whole length"))
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
	if fault.CodeOf(err) != rotate.LeaseLost {
		return err
	}
	if i == nil || !r.grip.passed() {
		return lossOnce(err)
	}
	s := rotate.Step{Kind: i.Kind, Selector: i.Selector, Signer: i.Signer, To: rotate.Side{KeyID: i.KeyID}}
	what := string(i.Kind) + " " + r.name(i.Selector).String()
	if i.Signer != "" {
		what += " on signer " + i.Signer
	}
	ctx, cancel := unhurried(ctx)
	defer cancel()
	event := r.event(s, "failed", "it may have come after the lease had passed to another process; the domain is looked at again at once")
	noted := r.engine.Store.LookAgain(ctx, r.want.Name, time.Unix(0, 0), time.Time{}, event)
	r.late = true
	return &fault.Error{Kind: fault.Transient, Code: rotate.LeaseLost, Err: errors.Join(besideLoss(err), noted), What: what + ": it may have come after the lease had passed to another process",
		Hint: "the domain is looked at again at once, and put right; 'dkimbot status --domain " + r.want.Name + "' says where it stands"}
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
		err = all[slices.IndexFunc(all, func(e error) bool { return fault.CodeOf(e) == rotate.LeaseLost })]
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
	if fault.CodeOf(err) == rotate.LeaseLost || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// every calls f every d, until stop is called.
func (e *Engine) every(d time.Duration, f func()) (stop func()) {
	if e.Every != nil {
		return e.Every(d, f)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for e.Clock.Sleep(ctx, d) == nil {
			f()
		}
	}()
	return stop
}
