// Package calendar knows when things are due by the clock on the wall: cron
// schedules, the windows and freezes that they begin, and the spread of a large fleet.
//
// One rule holds for all of them. A schedule names times that a clock shows, in the
// time zone of the schedule. It fires when the clock first shows such a time or one
// that is later. So a time that clocks skip, because they are set forward, fires at
// the jump, and a time that they show twice, because they are set back, fires once,
// the first time. Days that a zone left out count like skipped hours.
//
// It is a leaf: it imports the cron parser and nothing of dkimbot.
package calendar

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a time zone must be known on machines without zoneinfo

	"github.com/robfig/cron/v3"
)

// Schedule is a cron expression in a time zone.
type Schedule struct {
	cron *cron.SpecSchedule
	zone *time.Location
}

// Parse returns the schedule of a cron expression with five fields, or a name such as
// @monthly, in a time zone of the IANA database. It returns an error when it can't
// be read, when it has no fixed times (@every), and when it never fires, such as on
// the 30th of February.
func Parse(expression, zone string) (Schedule, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return Schedule{}, fmt.Errorf("timezone %q: %w", zone, err)
	}
	if err := checkForm(expression); err != nil {
		return Schedule{}, err
	}
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", expression, err)
	}
	spec, fixed := parsed.(*cron.SpecSchedule)
	if !fixed {
		return Schedule{}, fmt.Errorf("schedule %q has no fixed times", expression)
	}
	s := Schedule{spec, loc}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q never fires", expression)
	}
	return s, nil
}

// checkForm refuses what the parser does not: it panics on a zone without an
// expression, and reads "*-3" as "*". A zone in two places would leave the reader guessing.
func checkForm(expression string) error {
	if strings.Contains(expression, "TZ=") {
		return errors.New("schedule holds a time zone: write it as timezone instead")
	}
	for _, star := range []string{"*-", "?-"} {
		if strings.Contains(expression, star) {
			return fmt.Errorf("schedule %q: %q is not a range: write where it begins", expression, star)
		}
	}
	return nil
}

// Next returns the first time after t at which the schedule fires, in UTC. It is a
// pure function: asked again, it gives the same answer.
func (s Schedule) Next(t time.Time) time.Time {
	// The parser's own arithmetic skips what clocks skip, so it is asked for what
	// the clock on the wall shows, as if that were UTC.
	for shown := s.cronNext(asUTC(t.In(s.zone))); !shown.IsZero(); shown = s.cronNext(shown) {
		if at := reached(shown, s.zone); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// cronNext returns the schedule's next time after t in UTC, or the zero time. The
// parser searches five years, and two leap days can be eight years apart.
func (s Schedule) cronNext(t time.Time) time.Time {
	if next := s.cron.Next(t); !next.IsZero() {
		return next
	}
	return s.cron.Next(time.Date(t.Year()+6, time.January, 1, 0, 0, -1, 0, time.UTC))
}

// asUTC returns the time in UTC at which clocks show what t's clock shows.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// mostAhead is more than any zone's clocks have ever been ahead of UTC.
const mostAhead = 24 * time.Hour

// reached returns the first moment, in UTC, at which zone's clocks show what shown
// does in UTC, or later.
func reached(shown time.Time, zone *time.Location) time.Time {
	from := shown.Add(-mostAhead).In(zone) // clocks don't show it yet
	for {
		_, offset := from.Zone()
		until := bound(from)
		switch at := shown.Add(-time.Duration(offset) * time.Second); {
		case at.Before(from): // clocks were set forward past it
			return from.UTC()
		case until.IsZero() || at.Before(until):
			return at.UTC()
		}
		from = until
	}
}

// bound returns a time after t up to which clocks go as they do at t, or the zero
// time when they always will.
func bound(t time.Time) time.Time {
	_, until := t.ZoneBounds()
	if !until.IsZero() && !until.After(t) {
		return t.Add(time.Hour) // on the last day of a leap year, Go's bound is that day's beginning
	}
	return until
}
