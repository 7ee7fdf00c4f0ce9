// Package lease takes and holds the leases on domains, so that two processes never act on
// one at once (I8). How leases go by no wall clock is said in package rotate; the rules by which a
// store grants them are those of package state.
package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Keeper takes leases for one process.
type Keeper struct {
	Store     ports.Store
	Clock     ports.Clock
	Owner     string                  // tells this process from every other
	OwnerDead func(owner string) bool // may be nil: whether a lease's owner is proved to run no more
	Watching  func(ports.Watched)     // may be nil: hears once of a lease that is watched and was not renewed for a while
	// Every calls f every d until stop is called; a goroutine that sleeps by the Clock when nil.
	Every func(d time.Duration, f func()) (stop func())
	// Pause waits while another process has the lease.
	Pause func(ctx context.Context, d time.Duration) error
}

// Asked says for what a lease is taken.
type Asked struct {
	Verify time.Duration // the longest that the domain's steps wait for DNS
	// Patience is how long another process, such as the daemon, that is seen to work on the domain is waited for.
	Patience time.Duration
	Report   bool // keys are reported as compromised
}

const (
	// silence is for how long a process that works is waited for without a word.
	silence = 10 * time.Second
	// longestGlance is how long a lease that is watched is not looked at, at most.
	longestGlance = 5 * time.Second
	// quietFor is how long a lease is not renewed before that is reported.
	quietFor = ports.LeaseBeat + longestGlance
)

// watch is the watching of a lease that another owner holds.
type watch struct {
	seen     *ports.Lease  // as it was seen last; nil: not yet
	since    time.Duration // when that was, by Clock.Elapsed
	quiet    time.Duration // for how long it was seen not to be renewed
	asleep   time.Duration // how long the lease was not looked at, as it was meant
	length   time.Duration // for how long it has to be watched
	moved    bool          // it was renewed, or passed to another owner, while it was watched
	reported bool
}

// see notes how the lease stands at now. Time in which this process was stopped
// does not count: the owner may have been stopped, too, and had no chance to renew it.
func (w *watch) see(l ports.Lease, now time.Duration, length time.Duration) {
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

// Take takes the lease on a domain. One that another process holds is watched until
// that is seen to work for longer than there is patience, or the lease has not been renewed for its whole length.
func (k *Keeper) Take(ctx context.Context, domain string, ask Asked) (*Held, error) {
	began, w, glance := k.Clock.Elapsed(), watch{}, 100*time.Millisecond
	var evict *ports.Lease
	for {
		asked := k.Clock.Elapsed()
		req := ports.LeaseRequest{Domain: domain, Owner: k.Owner, Now: k.Clock.Now(), TTL: ports.LeaseLength, Evict: evict}
		lease, err := k.Store.Acquire(ctx, req)
		if err == nil {
			return k.hold(lease, asked, w.quiet > 0), nil
		}
		var held *ports.HeldError
		if !errors.As(err, &held) {
			return nil, err
		}
		w.see(held.Lease, k.Clock.Elapsed(), held.Length(k.Clock.Now(), ask.Verify))
		waited := k.Clock.Elapsed() - began
		switch evict = w.seen; {
		case k.OwnerDead != nil && k.OwnerDead(held.Owner), w.quiet >= w.length,
			ask.Report && held.Asking():
			continue // and take it, if it still stands as it was seen
		case w.moved && waited >= ask.Patience:
			return nil, inUse(held)
		}
		evict = nil
		k.sayWatched(&w, waited)
		glance = min(2*glance, longestGlance)
		w.asleep = glance
		if err := k.Pause(ctx, glance); err != nil {
			return nil, err
		}
	}
}

func inUse(held *ports.HeldError) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.LeaseHeld, Err: held, What: "work on " + held.Domain,
		Hint: fmt.Sprintf("wait for the other process, or stop it, and try again; nothing was changed: "+
			"its lease is taken over at once when it is known to be dead, else %s after it was last renewed",
			ports.LeaseLength)}
}

// sayWatched says once what is waited for: a lease that was not renewed for a while, or a process that works.
func (k *Keeper) sayWatched(w *watch, waited time.Duration) {
	works := w.moved && waited >= silence
	if (w.quiet >= quietFor || works) && !w.reported && k.Watching != nil {
		w.reported = true
		k.Watching(ports.Watched{Lease: *w.seen, Length: w.length, Left: w.length - w.quiet, Works: works})
	}
}

// every calls f every d, until stop is called.
func (k *Keeper) every(d time.Duration, f func()) (stop func()) {
	if k.Every != nil {
		return k.Every(d, f)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for k.Clock.Sleep(ctx, d) == nil {
			f()
		}
	}()
	return stop
}
