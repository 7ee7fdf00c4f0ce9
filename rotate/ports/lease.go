package ports

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// A lease does not depend on the wall clock. Its owner renews it for as long as it works, and each renewal
// changes it. While the owner may have begun something, another process takes it in two cases only: the owner is proved
// dead, or the process has watched the lease for its whole length, by its own clock that is never set, and saw no
// renewal. After its last renewal the owner acts for a shorter time than that, by a clock that also counts the time
// asleep (I8).
const (
	LeaseLength = 90 * time.Second
	LeaseBeat   = 10 * time.Second // between two renewals
	// how long the owner acts after it began to renew the lease; effects end before LeaseLength
	LeaseSafe = 60 * time.Second
	// LeaseAsking is the length of a lease while its owner asks whether a switch may begin. Nothing is begun then, so a
	// report of a compromised key takes the lease at once, if it stands as it was seen. The owner renews it with its
	// usual length before it begins anything, or learns that it has lost it (I8).
	LeaseAsking = LeaseLength + time.Second
)

// SlowestEffect is how long after the loss of its lease an effect of a process may
// still come: it waits for its turn, and then takes its time.
const SlowestEffect = 2*WorkTime + time.Minute

// LeaseRequest asks for the lease on one domain.
type LeaseRequest struct {
	Domain string
	Owner  string
	Now    time.Time     // for people, and for programs of older versions
	TTL    time.Duration // for how long the lease stands when it is not renewed
	Evict  *Lease        // a lease that may be taken, if it still stands as it was seen; nil: none
}

// Lease is the right to act on one domain for a while.
type Lease struct {
	Domain   string
	Owner    string
	Fence    int64         // grows with every acquisition of the domain's lease
	Renewals int64         // grows with every renewal
	TTL      time.Duration // 0: of an older version, whose leases ended at Expires
	Since    time.Time     // when it was acquired, by the owner's wall clock; zero: not known
	Expires  time.Time     // for people, and for programs of older versions: nothing here goes by it

	TakenFrom string // as granted: the owner that it was taken from without being given back
}

// Asking reports whether the owner of the lease asks whether a switch may begin, and has begun nothing.
func (l Lease) Asking() bool { return l.TTL == LeaseAsking }

// Unchanged reports whether l is now as it was then: not renewed since.
func (l Lease) Unchanged(then Lease) bool {
	return l.Owner == then.Owner && l.Fence == then.Fence && l.Renewals == then.Renewals && l.Expires.Equal(then.Expires)
}

// Length returns for how long the lease has to be watched. What a damaged lease says, or one that an older version
// wrote, bounds the wait only as far as a lease could last.
func (l Lease) Length(now time.Time, verify time.Duration) time.Duration {
	says := l.TTL
	if says <= 0 {
		says = max(l.Expires.Sub(now), LeaseLength)
	}
	return min(says, verify+3*WorkTime)
}

// HeldError says who acts on a domain now (I8).
type HeldError struct{ Lease }

// Error names the owner, and since when.
func (e *HeldError) Error() string {
	text := fmt.Sprintf("%s is being worked on by %s", e.Domain, e.Owner)
	if !e.Since.IsZero() {
		text += ", since " + calendar.Utc(e.Since)
	}
	return text
}

// Watched says that a lease is watched that was not renewed for a while, or whose owner works for long.
type Watched struct {
	Lease
	Length time.Duration // for how long it has to be watched in all
	Left   time.Duration // and from now on
	Works  bool          // its owner is seen to work, and is waited for
}

// Orphans counts the programs of an owner whose lease was taken over: what a signer's command or a
// reload does would come after what the new owner does.
type Orphans struct {
	Ended   int
	Awaited int // that ended by themselves
	Left    int // that run still, and could not be ended
	Hanging int // reloads that run still after they were waited for
}

// String says what became of them; "" when there were none.
func (o Orphans) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{o.Ended, "ended"}, {o.Awaited, "waited for"}, {o.Left, "running still, which could not be ended"},
		{o.Hanging, "running still, a reload that hangs"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "programs that it had started: " + strings.Join(parts, ", ")
}

// WorkTime bounds everything that one step may take besides the wait for DNS;
// where a step joins others, the wait for its turn and the common work count apart.
const WorkTime = 5 * time.Minute

// LookClosely is how often a domain is looked after while an effect of a process that
// has lost its lease may yet come.
const LookClosely = time.Minute

// Unhurried returns a context for what has to be finished once it has begun: it
// outlives ctx, and ends after WorkTime.
func Unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), WorkTime)
}
