package rotate

import (
	"cmp"
	"hash/fnv"
	"slices"
	"sync"
	"time"
)

// longestNap is how long the scheduler sleeps at most: another process may have
// changed what is due, and the machine's clock may have been set.
const longestNap = 30 * time.Second

// agenda knows what a scheduler has in hand and what it has to come back to. The
// queue knows what is due; the agenda adds what the queue can't know, because it
// could not be written, and holds back what has failed or has just been done.
type agenda struct {
	domains map[string]Domain
	rounds  rounds

	mu    sync.Mutex
	busy  map[string]bool
	after map[string]time.Time // not to be taken before, whatever the queue says
	again map[string]int       // domains whose last attempts failed, and how many in a row
	wake  time.Time            // the next time that is known of
}

func newAgenda(domains []Domain, inspect time.Duration, now time.Time) *agenda {
	if inspect <= 0 {
		inspect = time.Hour
	}
	a := &agenda{domains: map[string]Domain{}, rounds: newRounds(domains, inspect, now),
		busy: map[string]bool{}, after: map[string]time.Time{}, again: map[string]int{}}
	for _, d := range domains {
		a.domains[d.Name] = d
	}
	return a
}

// take returns the domains to work on now: those that the queue says are due, those
// to be tried again, and those whose turn it is to be looked after.
func (a *agenda) take(now time.Time, due []string) []Domain {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := slices.Concat(due, a.rounds.next(now))
	for name := range a.again {
		names = append(names, name)
	}
	var out []Domain
	for _, name := range names {
		d, known := a.domains[name]
		if known && !a.busy[name] && !a.after[name].After(now) {
			a.busy[name] = true
			out = append(out, d)
		}
	}
	return out
}

// drop notes what became of a domain, and returns when it is to be taken again.
func (a *agenda) drop(now time.Time, r Result) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.busy, r.Domain)
	delete(a.after, r.Domain)
	next, told := now.Add(longestNap), false // when nothing is said, or what is said has passed: not at once
	if n := r.State.Next; n != nil && n.At.After(now) {
		next, told = n.At, true
	}
	if r.Err == nil {
		delete(a.again, r.Domain)
	} else {
		a.again[r.Domain]++
		if wait := now.Add(Backoff(a.again[r.Domain])); !told || wait.After(next) {
			next = wait
		}
	}
	if r.Err != nil || !told {
		a.after[r.Domain] = next
	}
	if a.wake.IsZero() || next.Before(a.wake) {
		a.wake = next
	}
	return next
}

// nap returns how long to sleep: until the next known time, a second at least,
// longestNap at most.
func (a *agenda) nap(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	nap := longestNap
	if !a.wake.IsZero() {
		nap = min(nap, a.wake.Sub(now))
	}
	if len(a.busy) > 0 {
		nap = min(nap, time.Second) // a result may come with an earlier time
	}
	if a.wake.Before(now) {
		a.wake = time.Time{}
	}
	return max(nap, time.Second)
}

// rounds spreads the domains over a period, each at its own point of it, that is
// the same in every process: so restarts neither skip any nor gather them.
type rounds struct {
	every time.Duration
	turns []turn // by at
	last  time.Time
}

type turn struct {
	at   time.Duration // into the period
	name string
}

func newRounds(domains []Domain, every time.Duration, now time.Time) rounds {
	r := rounds{every: every, last: now}
	for _, d := range domains {
		r.turns = append(r.turns, turn{share(d.Name, every), d.Name})
	}
	slices.SortFunc(r.turns, func(x, y turn) int { return cmp.Compare(x.at, y.at) })
	return r
}

// next returns the domains whose turn has come since it was called last.
func (r *rounds) next(now time.Time) (names []string) {
	passed, from, to := now.Sub(r.last), r.into(r.last), r.into(now)
	if r.last = now; passed <= 0 {
		return nil
	}
	for _, t := range r.turns {
		before := from < t.at && t.at <= to
		if to < from { // over the end of the period
			before = from < t.at || t.at <= to
		}
		if before || passed >= r.every {
			names = append(names, t.name)
		}
	}
	return names
}

// into returns how far t is into its period.
func (r *rounds) into(t time.Time) time.Duration {
	return time.Duration(t.UnixNano() % int64(r.every))
}

// share returns a part of most, in [0, most), that is always the same for a domain.
func share(domain string, most time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(domain))
	return time.Duration(h.Sum64() % uint64(most))
}
