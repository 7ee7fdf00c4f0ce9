package rotate

import (
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// Period is a span of time that comes again and again: it begins when the
// schedule fires, by the clock of its time zone, and lasts for Duration.
//
// Clocks that are set forward begin a period that they skip at the moment of the
// jump; clocks that are set back begin none twice. Periods may overlap themselves.
type Period struct {
	Schedule string        `json:"schedule"` // cron expression: when it begins
	Duration time.Duration `json:"duration"`
	Timezone string        `json:"timezone"` // as in the IANA database
	Key      string        `json:"-"`        // where the configuration says it, for people: "limits.windows[0]"
}

// Check returns an error when the period can't be read, never begins or has no length.
func (p Period) Check() error {
	c, err := p.calendar()
	switch {
	case err != nil:
		return err
	case p.Duration < time.Minute:
		return errors.New("a period lasts for a minute at least")
	}
	if c.next(time.Unix(0, 0)).IsZero() {
		return fmt.Errorf("schedule %q never fires", p.Schedule)
	}
	return nil
}

// calendar is a Period that can be asked for its times.
type calendar struct {
	schedule cron.Schedule
	loc      *time.Location
	length   time.Duration
	key      string
}

func (p Period) calendar() (calendar, error) {
	schedule, loc, err := Policy{Schedule: p.Schedule, Timezone: p.Timezone}.parse()
	if _, fixed := schedule.(*cron.SpecSchedule); err == nil && !fixed {
		err = fmt.Errorf("schedule %q has no fixed times", p.Schedule)
	}
	return calendar{schedule, loc, p.Duration, p.Key}, err
}

// next returns the first beginning after t, or the zero time when none comes
// within five years.
func (c calendar) next(t time.Time) time.Time {
	t = t.In(c.loc)
	// The parser's own arithmetic skips what clocks skip, so it is asked for what
	// the clock on the wall shows, as if it were UTC.
	for shown := asUTC(t); ; {
		shown = c.schedule.Next(shown)
		if shown.IsZero() {
			return shown
		}
		if at := firstShowing(shown, c.loc); at.After(t) {
			return at
		}
	}
}

// during reports whether t lies in the period: whether one has begun in the
// length before it.
func (c calendar) during(t time.Time) bool {
	begun := c.next(t.Add(-c.length))
	return !begun.IsZero() && !begun.After(t)
}

// mostLinks bounds how many periods that touch each other are followed.
const mostLinks = 50_000

// end returns when the period that t lies in is over, together with those that
// follow without a gap: t itself when it lies in none, false when there is no end.
func (c calendar) end(t time.Time) (time.Time, bool) {
	for range mostLinks {
		last := time.Time{}
		for _, back := range [...]time.Duration{c.length / 16, c.length / 2, c.length} { // the later one began, the fewer are to be followed
			if begun := c.next(t.Add(-back)); !begun.IsZero() && !begun.After(t) {
				last = begun
				break
			}
		}
		if last.IsZero() {
			return t, true
		}
		t = last.Add(c.length)
	}
	return t, false
}

// asUTC returns the time in UTC at which clocks show what t's clock shows.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// firstShowing returns when loc's clocks first show what shown does in UTC; where
// they are set forward past it, the moment at which they are.
func firstShowing(shown time.Time, loc *time.Location) time.Time {
	at := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, loc)
	start, end := at.ZoneBounds()
	switch shows := asUTC(at); {
	case shows.After(shown):
		return start
	case shows.Before(shown):
		return end
	}
	if start.IsZero() {
		return at
	}
	_, offset := start.Add(-1).Zone()
	if before := shown.Add(-time.Duration(offset) * time.Second).In(loc); before.Before(start) {
		return before
	}
	return at
}
