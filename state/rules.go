package state

import (
	"fmt"
	"math"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// NextAt returns when a domain is to be looked at again: the time of what comes
// next; never when it was released; at once when that is not known or an effect is unconfirmed (I7); but
// after a failure not before the next try.
func NextAt(st rotate.State) time.Time {
	var at time.Time
	if r := st.Released; r != nil && (!r.Purge || !r.Purged.IsZero()) && st.Intent == nil {
		return time.Unix(0, math.MaxInt64) // it was released: nothing is due
	}
	if st.Next != nil && st.Intent == nil {
		at = st.Next.At
	}
	if st.Failures > 0 && st.NextTry.After(at) {
		at = st.NextTry
	}
	return at
}

// FirstLook says, as st is saved at now, when the domain is to be looked after
// at the earliest, and whether that is to be noted: for a new domain, and for one
// that failed, which is looked at by its next try. It is at least half a period away.
func FirstLook(st rotate.State, now time.Time) (at time.Time, note bool) {
	if st.Failures > 0 && st.NextTry.After(now) {
		now = st.NextTry
	}
	return calendar.NextLook(st.Domain, now.Add(calendar.LookEvery/2)), st.Revision == 0 || st.Failures > 0
}

// TooFar returns the time from which on a noted turn to be looked after was noted
// when the clock was wrong: it counts as come.
func TooFar(now time.Time) time.Time { return now.Add(3 * calendar.LookEvery) }

// Nanos returns t as nanoseconds since 1970, the form in which stores compare
// times. What lies outside of 1678 to 2262 becomes the nearest end.
func Nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Grant answers a request, given the lease on the domain as it stands (the zero Lease
// if there never was one; without an Owner if it was given back). It returns the new
// lease, a *ports.HeldError, or a fault for a request that makes no sense. It goes by
// no clock: a lease stands until it is given back, or taken over by someone who has
// proof that its owner is dead, or has watched it for its whole length.
func Grant(last ports.Lease, req ports.LeaseRequest) (ports.Lease, error) {
	if req.Domain == "" || req.Owner == "" || req.TTL <= 0 {
		return ports.Lease{}, fault.Lasting(fmt.Sprintf("take the lease on %q", req.Domain), nil,
			"a lease needs a domain, an owner and a time to live")
	}
	evicted := req.Evict != nil && last.Unchanged(*req.Evict)
	others := last.Owner != "" && last.Owner != req.Owner
	if others && !evicted {
		last.Domain = req.Domain
		return ports.Lease{}, &ports.HeldError{Lease: last}
	}
	now := req.Now.Round(0).UTC()
	l := ports.Lease{Domain: req.Domain, Owner: req.Owner, Fence: last.Fence + 1, TTL: req.TTL, Since: now,
		Expires: now.Add(req.TTL)}
	if others {
		l.TakenFrom = last.Owner
	}
	return l, nil
}

// Renewed returns the lease as it stands when l was renewed at now, given how it
// stood before. The error is a fault: another process has it, or none.
func Renewed(last, l ports.Lease, now time.Time) (ports.Lease, error) {
	if err := holds("renew the lease on "+l.Domain, last, l); err != nil {
		return ports.Lease{}, err
	}
	last.Renewals++
	last.TTL, last.Expires = l.TTL, now.Add(l.TTL).Round(0).UTC()
	return last, nil
}

// holds returns an error when l is not the lease that stands.
func holds(what string, last, l ports.Lease) error {
	switch {
	case last.Owner == "":
		return fault.Refuse(codes.LeaseLost, what+": the lease was given back",
			"nothing was written; take the lease again and start from the stored state")
	case last.Owner != l.Owner || last.Fence != l.Fence:
		return fault.Refuse(codes.LeaseLost, fmt.Sprintf("%s: the lease has passed to %s", what, last.Owner),
			"nothing was written; leave the domain to its new owner or try again when that is done")
	}
	return nil
}

// NextTurn returns the domain's next turn to be looked after, when it takes one at
// now. Until closely, which is somewhere in the past for most, turns come quickly.
func NextTurn(domain string, now, closely time.Time) time.Time {
	next := calendar.NextLook(domain, now)
	if soon := now.Add(ports.LookClosely); !soon.After(closely) && closely.Before(now.Add(calendar.LookEvery)) &&
		soon.Before(next) {
		return soon
	}
	return next
}

// Admit decides whether st may be written under l, given the lease that stands and
// the stored revision (0: never stored). The error is a fault.
func Admit(last, l ports.Lease, stored int64, st rotate.State, events []rotate.Event) error {
	what := "save the state of " + st.Domain
	if st.Domain == "" || st.Domain != l.Domain {
		return fault.Lasting(fmt.Sprintf("save the state of %q under the lease on %q", st.Domain, l.Domain), nil,
			"a state is saved under the lease on its own domain")
	}
	for _, e := range events {
		if e.Domain != st.Domain {
			return fault.Lasting(fmt.Sprintf("%s with an event of %q", what, e.Domain), nil,
				"an event belongs to the domain that is saved")
		}
	}
	if err := holds(what, last, l); err != nil {
		return err
	}
	if st.Revision != stored {
		return fault.Refuse(codes.StaleRevision,
			fmt.Sprintf("%s at revision %d: the stored revision is %d", what, st.Revision, stored),
			"nothing was written; load the state again and start from what it says now")
	}
	return nil
}
