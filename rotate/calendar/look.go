package calendar

import "time"

// LookEvery is the time between two health checks of a domain when nothing is due: a record may
// vanish, and a signer may come back from a backup, long before the next rotation.
const LookEvery = time.Hour

// NextLook returns the first of the domain's turns to be looked after that comes
// later than t. It has one in every period LookEvery, each domain at its own point
// of it, that is the same in every process: so looks are spread over a large
// fleet, and restarts neither skip any nor gather them.
func NextLook(domain string, t time.Time) time.Time {
	const every = int64(LookEvery)
	into := (t.UnixNano()%every + every) % every
	next := t.Add(Share(domain, LookEvery) - time.Duration(into))
	if !next.After(t) {
		next = next.Add(LookEvery)
	}
	return next
}
