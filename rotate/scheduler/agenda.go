package scheduler

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/hasten"
)

// longestNap is how long the scheduler sleeps at most: another process may have
// changed what is due, and the machine's clock may have been set.
const longestNap = 30 * time.Second

// agenda knows what a scheduler is working on and what it has to come back to. The
// queue knows what is due; the agenda adds what the queue can't know, because it
// could not be written, and holds back what has failed or has just been done.
type agenda struct {
	domains map[string]*rotate.Domain // those of the scheduler, not copies: there may be very many

	mu    sync.Mutex
	busy  map[string]bool
	after map[string]time.Time // not to be taken before, whatever the queue says
	again map[string]int       // domains whose last attempts failed, and how many in a row
	wake  time.Time            // the next time that is known of
}

func newAgenda(domains []rotate.Domain) *agenda {
	a := &agenda{domains: make(map[string]*rotate.Domain, len(domains)), busy: map[string]bool{},
		after: map[string]time.Time{}, again: map[string]int{}}
	for i, d := range domains {
		a.domains[d.Name] = &domains[i]
	}
	return a
}

// take returns the domains to work on now: those that the queue says are due, and
// those to be tried again.
func (a *agenda) take(now time.Time, due []string) []rotate.Domain {
	a.mu.Lock()
	defer a.mu.Unlock()
	due = append(due, slices.Sorted(maps.Keys(a.again))...)
	var out []rotate.Domain
	for _, name := range due {
		if a.mayTake(name, now) {
			a.busy[name] = true
			out = append(out, *a.domains[name])
		}
	}
	return out
}

// free returns those of the named domains that could be taken now.
func (a *agenda) free(now time.Time, names []string) (out []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		if a.mayTake(name, now) {
			out = append(out, name)
		}
	}
	return out
}

func (a *agenda) mayTake(name string, now time.Time) bool {
	_, known := a.domains[name]
	return known && !a.busy[name] && !a.after[name].After(now)
}

// drop notes what became of a domain that was taken at began, and returns when it is
// to be taken again. A wait that was found after that, and has passed meanwhile, is over.
func (a *agenda) drop(began, now time.Time, r engine.Result) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.busy, r.Domain)
	delete(a.after, r.Domain)
	next, said := now.Add(longestNap), false // when nothing is said, or what is said had passed before: not at once
	if n := r.State.Next; n != nil && n.At.After(began) {
		next, said = n.At, true
	}
	if r.Err == nil {
		delete(a.again, r.Domain)
	} else {
		a.again[r.Domain]++
		if wait := now.Add(hasten.Pause(r.State, a.again[r.Domain])); !said || wait.After(next) {
			next = wait
		}
	}
	if r.Err != nil || !said {
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
