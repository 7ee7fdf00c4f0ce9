package calendar

import (
	"errors"
	"time"
)

// Period is a span of time that comes again and again: it begins when the schedule
// fires and lasts for Duration. Periods may overlap themselves.
type Period struct {
	Schedule string        `json:"schedule"` // cron expression: when it begins
	Duration time.Duration `json:"duration"`
	Timezone string        `json:"timezone"` // as in the IANA database
	Key      string        `json:"-"`        // where the configuration says it, for people: "limits.windows[0]"
}

// Check returns an error when the period can't be read, never begins or has no length.
func (p Period) Check() error {
	_, err := p.parse()
	if err == nil && p.Duration < time.Minute {
		err = errors.New("a period lasts for a minute at least")
	}
	return err
}

// period is a Period that can be asked for its times.
type period struct {
	Schedule
	length time.Duration
	key    string
}

func (p Period) parse() (period, error) {
	s, err := Parse(p.Schedule, p.Timezone)
	return period{s, p.Duration, p.Key}, err
}

// during reports whether t lies in the period: whether one has begun in the
// length before it.
func (p period) during(t time.Time) bool {
	begun := p.Next(t.Add(-p.length))
	return !begun.IsZero() && !begun.After(t)
}

// mostLinks bounds how many periods that touch each other are followed.
const mostLinks = 50_000

// end returns when the period that t lies in is over, together with those that
// follow without a gap: t itself when it lies in none, false when there is no end.
func (p period) end(t time.Time) (time.Time, bool) {
	for range mostLinks {
		last := time.Time{}
		// The later one began, the fewer are to be followed.
		for _, back := range [...]time.Duration{p.length / 16, p.length / 2, p.length} {
			if begun := p.Next(t.Add(-back)); !begun.IsZero() && !begun.After(t) {
				last = begun
				break
			}
		}
		if last.IsZero() {
			return t, true
		}
		t = last.Add(p.length)
	}
	return t, false
}
