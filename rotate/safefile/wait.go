package safefile

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// How long a lock is waited for that another process holds. A process that does its work holds it no longer than
// LongestHold; each that follows has as long. One that hangs is named then.
const (
	longestHold = 10 * time.Second
	toldAfter   = 5 * time.Second  // that a lock is waited for
	toldAgain   = 30 * time.Second // while it lasts
	lookedAt    = time.Second      // how often the kernel is asked who holds it
)

// Waiting is a wait for a lock that continues.
type Waiting struct {
	Locked
	Waited  time.Duration
	Longest time.Duration // how long the present holder may hold it
}

type reportingKey struct{}

// Reporting returns a context in which who waits for a lock for longer than some seconds reports it, so that
// people do not take the wait for a hang.
func Reporting(ctx context.Context, report func(Waiting)) context.Context {
	return context.WithValue(ctx, reportingKey{}, report)
}

// wait is one wait for a lock.
type wait struct {
	path     string
	longest  time.Duration
	start    time.Time
	looked   time.Time
	reported time.Time
	pids     []int // who holds it
	since    time.Time
}

// waitLock locks f, or returns nil without a lock when enough reports that there is no need.
func (d *Dir) waitLock(ctx context.Context, f *os.File, enough func(waited time.Duration) bool) error {
	now := time.Now()
	w := &wait{path: f.Name(), longest: max(d.LongestHold, longestHold), start: now, looked: now,
		reported: now, since: now}
	for {
		err := tryLock(f)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return failed("lock", f.Name(), err)
		case enough != nil && enough(time.Since(w.start)):
			return nil
		}
		if err := w.look(ctx, f); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(&Locked{f.Name(), holders(f)}, context.Cause(ctx))
		case <-time.After(lockPause):
		}
	}
}

// look sees who holds the lock now, reports it when it is time, and gives up on one who has held it for too long.
func (w *wait) look(ctx context.Context, f *os.File) error {
	now := time.Now()
	if now.Sub(w.looked) < lookedAt {
		return nil
	}
	w.looked = now
	if pids := holders(f); !slices.Equal(pids, w.pids) {
		if w.pids != nil { // the first look finds who has held it since the wait began, at least
			w.since = now
		}
		w.pids = pids
	}
	held := Locked{w.path, w.pids}
	pause := toldAgain
	if w.reported.Equal(w.start) {
		pause = toldAfter
	}
	if report, ok := ctx.Value(reportingKey{}).(func(Waiting)); ok && now.Sub(w.reported) >= pause {
		w.reported = now
		report(Waiting{held, now.Sub(w.start).Round(time.Second), w.longest})
	}
	if now.Sub(w.since) > w.longest && !slices.Contains(w.pids, os.Getpid()) {
		return &held
	}
	return nil
}
