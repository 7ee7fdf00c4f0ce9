package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// turnstile lets domains begin to switch, as many as the counts allow.
type turnstile struct {
	quota  rotate.Quota // nil: nothing is counted by the hour
	counts rotate.Counts

	mu      sync.Mutex
	begun   map[string]bool      // in this run
	waiting map[string]time.Time // those that are held back, and when their turn may come
}

func newTurnstile(quota rotate.Quota, counts rotate.Counts) *turnstile {
	if quota == nil {
		counts.PerHour = rotate.Bound{}
	}
	return &turnstile{quota: quota, counts: counts, begun: map[string]bool{}, waiting: map[string]time.Time{}}
}

// byTheHour makes a run without an end one that begins anew each hour.
func (t *turnstile) byTheHour() {
	t.counts = t.counts.ByTheHour()
	if t.quota == nil {
		t.counts.PerHour = rotate.Bound{}
	}
}

// heldBack says that a switch may not begin now, because as many have begun as may.
type heldBack struct {
	bound  rotate.Bound
	within string    // what the bound counts over
	until  time.Time // when there may be room
	when   string    // the same in words
}

func (h *heldBack) Error() string {
	return fmt.Sprintf("as many domains have begun to switch %s as may (%d, %s)", h.within, h.bound.Most, h.bound.Key)
}

// room returns a *heldBack when a switch of domain, taken now, would be held back.
func (t *turnstile) room(ctx context.Context, domain string, now time.Time) error {
	if t.counts.PerHour.Most > 0 {
		begun, err := t.quota.Switches(ctx, now)
		if err != nil {
			return err
		}
		if at := rotate.Room(begun, domain, now, t.counts.PerHour.Most); at.After(now) {
			return t.hold(domain, now, at, begun)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.runFull(domain, now)
}

// runFull returns a *heldBack when the run may begin no more switches; mu is held.
func (t *turnstile) runFull(domain string, now time.Time) error {
	if most := t.counts.PerRun.Most; most > 0 && len(t.begun) >= most && !t.begun[domain] {
		return &heldBack{t.counts.PerRun, "in this run", now, "in another run"}
	}
	return nil
}

// take notes that domain begins to switch now, or returns a *heldBack; with free
// set it is noted whatever the counts say.
func (t *turnstile) take(ctx context.Context, domain string, now time.Time, free bool) error {
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

func (t *turnstile) takeHour(ctx context.Context, domain string, now time.Time, free bool) error {
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
func (t *turnstile) hold(domain string, now, room time.Time, begun []rotate.Begun) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.waiting[domain].After(now) {
		t.waiting[domain] = t.place(domain, now, room, begun)
	}
	until := t.waiting[domain]
	if far := now.Add(rotate.QuotaSpan); until.After(far) {
		until = far.Add(calendar.Share(domain, rotate.QuotaSpan))
	}
	return &heldBack{t.counts.PerHour, "within an hour", until, "when there is room again, " + rotate.Utc(room)}
}

// place returns when the turn of a domain may come that stands at the end of the
// line; mu is held.
func (t *turnstile) place(domain string, now, room time.Time, begun []rotate.Begun) time.Time {
	var ahead []time.Time
	for _, b := range begun {
		ahead = append(ahead, b.At)
	}
	for other, at := range t.waiting {
		if other != domain {
			ahead = append(ahead, at)
		}
	}
	at := rotate.RoomAmong(ahead, now, t.counts.PerHour.Most)
	if at.Before(room) {
		at = room
	}
	return at
}

// mayBegin returns a *heldBack when a plan begins a switch that the counts hold back.
func (t *turnstile) mayBegin(ctx context.Context, p rotate.DomainPlan, set rotate.Ignore, now time.Time) error {
	if !p.Switches || set.Counts {
		return nil
	}
	return t.room(ctx, p.Name, now)
}

// begin notes that the domain of a plan begins to switch, if it may. What is not held back is
// counted where that can be written, and does not wait for it.
func (t *turnstile) begin(ctx context.Context, p rotate.DomainPlan, set rotate.Ignore, now time.Time) error {
	err := t.take(ctx, p.Name, now, !p.Switches || set.Counts)
	if !p.Switches {
		return nil
	}
	return err
}

// wait puts a switch off that the counts hold back: it is what comes next. Where a
// person asked for it, it is refused instead. Other errors are returned as they are.
func (r *run) wait(ctx context.Context, err error) error {
	var held *heldBack
	if !errors.As(err, &held) {
		return err
	}
	standby := r.want.Policy.Other(r.st.Active)
	if r.left.Asked || r.grant != nil {
		return r.refused("", fault.Refuse(rotate.CodeThreshold, fmt.Sprintf("begin %s of %s: %v", plan.ChangeWords("rotate", standby), r.want.Name, held),
			"try again "+held.when+", or begin it now all the same with "+rotate.FlagCounts))
	}
	why := rotate.Reason{Code: rotate.CodeLimit, Message: plan.ChangeWords("rotate", standby) + " waits: " + held.Error()}
	r.plan.Steps, r.plan.Switches, r.plan.Reason, r.plan.Held = nil, false, why, held.bound.Key
	r.plan.Next = &rotate.Next{Action: "rotate", Selector: standby, At: held.until, Reason: why}
	return r.rest(ctx)
}

// wishRefused reports whether err says that a limit refused a person's wish, or that the domain
// was released.
func wishRefused(err error) bool {
	return slices.Contains([]string{plan.CodeReleased, rotate.CodeWindow, rotate.CodeFreeze, rotate.CodePlanOnly, rotate.CodeThreshold}, fault.CodeOf(err)) && fault.KindOf(err) == fault.Refused
}
