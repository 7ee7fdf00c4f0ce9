package inspect

import (
	"errors"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/rotate"
)

// sinceFlag is a point in time: a day, an instant, or a distance back from now.
type sinceFlag struct {
	given bool
	text  string
	at    time.Time
	ago   time.Duration
}

// Type names the value in help.
func (*sinceFlag) Type() string { return "time" }

// String returns the value as it was given.
func (v *sinceFlag) String() string { return v.text }

// Set reads a day in UTC, RFC 3339, or a length of time.
func (v *sinceFlag) Set(s string) (err error) {
	*v = sinceFlag{given: true, text: s}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if v.at, err = time.Parse(form, s); err == nil {
			return nil
		}
	}
	if v.ago, err = console.ParseDuration(s); err != nil || v.ago < 0 {
		return errors.New("write a day such as 2026-12-24, a time such as 2026-12-24T04:00:00Z, or how long ago, such as 7d or 12h")
	}
	return nil
}

// from returns those events that are not older.
func (v *sinceFlag) from(events []rotate.Event, now time.Time) []rotate.Event {
	if !v.given {
		return events
	}
	at := v.at
	if at.IsZero() {
		at = now.Add(-v.ago)
	}
	return slices.DeleteFunc(events, func(e rotate.Event) bool { return e.At.Before(at) })
}
