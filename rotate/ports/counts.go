package ports

import (
	"context"
	"slices"
	"time"
)

// Counts bounds how many domains may begin to switch (ready -> switching) because the schedule or a person
// asks for it. Switches that continue, repairs and emergency orders are counted, and are never delayed.
type Counts struct {
	PerRun  Bound // in one run of one process; a Scheduler's run begins again each hour
	PerHour Bound // in any hour, over all processes
}

// Bound is one number of Counts. The zero Bound sets none.
type Bound struct {
	Most int
	Key  string // where the configuration says it, for people: "limits.switches_per_run"
}

// QuotaSpan is the time over which Counts.PerHour counts.
const QuotaSpan = time.Hour

// Begun says that a domain has begun to switch. A domain counts once, with its last time.
type Begun struct {
	Domain string
	At     time.Time
}

// QuotaReader says which domains have begun to switch.
type QuotaReader interface {
	// Switches returns the domains that have begun to switch in the hour before now.
	Switches(ctx context.Context, now time.Time) ([]Begun, error)
}

// Quota counts, over all processes, the domains that begin to switch.
type Quota interface {
	QuotaReader
	// TakeSwitch notes, durably, that domain begins to switch at now, and returns
	// now; or, when most other domains began in the hour before, notes nothing and
	// returns when there is room again (see Room). With most 0 there is always room.
	TakeSwitch(ctx context.Context, domain string, now time.Time, most int) (time.Time, error)
}

// Room returns the first time, not before now, at which domain may begin to
// switch so that no more than most begin in any hour. A time after now was noted
// by a wrong clock, and counts as now.
func Room(begun []Begun, domain string, now time.Time, most int) time.Time {
	var times []time.Time
	for _, b := range begun {
		if b.Domain != domain {
			times = append(times, b.At)
		}
	}
	return RoomAmong(times, now, most)
}

// RoomAmong returns when one more switch has room beside those at the given times; most 0 is no limit.
func RoomAmong(times []time.Time, now time.Time, most int) time.Time {
	times = slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(now.Add(-QuotaSpan)) })
	if most <= 0 || len(times) < most {
		return now
	}
	slices.SortFunc(times, time.Time.Compare)
	at := times[len(times)-most]
	return at.Add(QuotaSpan)
}

// ByTheHour returns the counts of a run without an end, which begins again each
// hour. A Scheduler goes by them.
func (c Counts) ByTheHour() Counts {
	if run := c.PerRun; run.Most > 0 && (c.PerHour.Most == 0 || run.Most < c.PerHour.Most) {
		c.PerHour = run
	}
	c.PerRun = Bound{}
	return c
}
