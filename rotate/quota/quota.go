// Package quota holds back switches when a limit on how many domains start to switch is reached.
package quota

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Turnstile lets domains begin to switch, as many as the counts allow.
type Turnstile struct {
	quota  ports.Quota // nil: nothing is counted by the hour
	counts ports.Counts

	mu      sync.Mutex
	begun   map[string]bool      // in this run
	waiting map[string]time.Time // those that are held back, and when their turn may come
}

// New returns a turnstile for counts; quota may be nil: then nothing is counted by the hour.
func New(quota ports.Quota, counts ports.Counts) *Turnstile {
	if quota == nil {
		counts.PerHour = ports.Bound{}
	}
	return &Turnstile{quota: quota, counts: counts, begun: map[string]bool{}, waiting: map[string]time.Time{}}
}

// ByTheHour makes a run without an end one that begins again each hour.
func (t *Turnstile) ByTheHour() {
	t.counts = t.counts.ByTheHour()
	if t.quota == nil {
		t.counts.PerHour = ports.Bound{}
	}
}

// HeldBack says that a switch may not begin now, because as many have begun as may.
type HeldBack struct {
	Bound  ports.Bound
	within string    // what the bound counts over
	Until  time.Time // when there may be room
	When   string    // the same in words
}

// Error says how many may begin, and over what time.
func (h *HeldBack) Error() string {
	domains := "domains"
	if h.Bound.Most == 1 {
		domains = "domain"
	}
	return fmt.Sprintf("limit reached: %d %s started switching %s (%s)", h.Bound.Most, domains, h.within, h.Bound.Key)
}

// room returns a *HeldBack when a switch of domain, taken now, would be held back.
func (t *Turnstile) room(ctx context.Context, domain string, now time.Time) error {
	if t.counts.PerHour.Most > 0 {
		begun, err := t.quota.Switches(ctx, now)
		if err != nil {
			return err
		}
		at := ports.Room(begun, domain, now, t.counts.PerHour.Most)
		if at.After(now) && slices.ContainsFunc(begun, func(b ports.Begun) bool { return !b.At.Before(now) }) {
			// They were noted by a clock that was ahead, and would count as begun now at each look until that
			// time has come; to be asked for a switch, the quota notes that they count from now on.
			if at, err = t.quota.TakeSwitch(ctx, domain, now, t.counts.PerHour.Most); err != nil {
				return err
			}
		}
		if at.After(now) {
			return t.hold(domain, now, at, begun)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.runFull(domain, now)
}

// runFull returns a *HeldBack when the run may begin no more switches; mu is held.
func (t *Turnstile) runFull(domain string, now time.Time) error {
	if most := t.counts.PerRun.Most; most > 0 && len(t.begun) >= most && !t.begun[domain] {
		return &HeldBack{t.counts.PerRun, "in this run", now, "in another run"}
	}
	return nil
}

// take notes that domain begins to switch now, or returns a *HeldBack; with free
// set it is noted whatever the counts say.
func (t *Turnstile) take(ctx context.Context, domain string, now time.Time, free bool) error {
	t.mu.Lock()
	err, had := t.runFull(domain, now), t.begun[domain]
	if err != nil && !free {
		t.mu.Unlock()
		return err
	}
	t.begun[domain] = true
	t.mu.Unlock()
	if t.counts.PerHour.Most > 0 {
		err = t.takeHour(ctx, domain, now, free)
	} else {
		err = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.waiting, domain)
	} else if !had {
		delete(t.begun, domain)
	}
	return err
}

func (t *Turnstile) takeHour(ctx context.Context, domain string, now time.Time, free bool) error {
	most := t.counts.PerHour.Most
	if free {
		most = 0
	}
	at, err := t.quota.TakeSwitch(ctx, domain, now, most)
	if err != nil || !at.After(now) {
		return err
	}
	begun, err := t.quota.Switches(ctx, now)
	if err != nil {
		return err
	}
	return t.hold(domain, now, at, begun)
}

// hold puts domain in the line of those that are held back. Each gets its own
// time, so that thousands don't come again for one free place; who is far behind
// comes to look after an hour or two, since the bound may have been changed.
func (t *Turnstile) hold(domain string, now, room time.Time, begun []ports.Begun) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.waiting[domain].After(now) {
		t.waiting[domain] = t.place(domain, now, room, begun)
	}
	until := t.waiting[domain]
	if far := now.Add(ports.QuotaSpan); until.After(far) {
		until = far.Add(calendar.Share(domain, ports.QuotaSpan))
	}
	return &HeldBack{t.counts.PerHour, "in the last hour", until, "when there is room again, " + calendar.Utc(room)}
}

// place returns when the turn of a domain may come that stands at the end of the
// line; mu is held.
func (t *Turnstile) place(domain string, now, room time.Time, begun []ports.Begun) time.Time {
	var ahead []time.Time
	for _, b := range begun {
		ahead = append(ahead, b.At)
	}
	for other, at := range t.waiting {
		if other != domain {
			ahead = append(ahead, at)
		}
	}
	at := ports.RoomAmong(ahead, now, t.counts.PerHour.Most)
	if at.Before(room) {
		at = room
	}
	return at
}

// MayBegin returns a *HeldBack when a plan begins a switch that the counts hold back.
func (t *Turnstile) MayBegin(ctx context.Context, p rotate.DomainPlan, set rotate.Ignore, now time.Time) error {
	if !p.Switches || set.Counts {
		return nil
	}
	return t.room(ctx, p.Name, now)
}

// Begin notes that the domain of a plan begins to switch, if it may. What is not held back is
// counted where that can be written, and does not wait for it.
func (t *Turnstile) Begin(ctx context.Context, p rotate.DomainPlan, set rotate.Ignore, now time.Time) error {
	err := t.take(ctx, p.Name, now, !p.Switches || set.Counts)
	if !p.Switches {
		return nil
	}
	return err
}
