package rotate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// NextDue returns when a rotation of domain becomes due after base: the
// schedule's next time, plus the domain's own share of the splay. It is a pure
// function, so a daemon that was down finds the same time again and catches up.
func (p Policy) NextDue(domain string, base time.Time) (time.Time, error) {
	schedule, loc, err := p.parse()
	if err != nil {
		return time.Time{}, err
	}
	next := schedule.Next(base.In(loc))
	for comesAgain(next) {
		next = schedule.Next(next)
	}
	if next.IsZero() {
		return time.Time{}, fmt.Errorf("schedule %q never fires", p.Schedule)
	}
	return next.UTC().Add(splay(domain, p.Splay)), nil
}

// comesAgain reports whether t's wall clock has shown the same before, because
// clocks were set back: what was due then is not due a second time.
func comesAgain(t time.Time) bool {
	for _, shift := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		before := t.Add(-shift)
		_, then := before.Zone()
		_, now := t.Zone()
		if then-now == int(shift/time.Second) {
			return true
		}
	}
	return false
}

// CheckSchedule returns an error when the schedule or its time zone can't be
// read, or when it never fires, such as on the 30th of February.
func (p Policy) CheckSchedule() error {
	_, err := p.NextDue("", time.Unix(0, 0))
	return err
}

func (p Policy) parse() (cron.Schedule, *time.Location, error) {
	// The parser panics on a zone without an expression, and a zone in two
	// places would leave the reader guessing.
	if strings.Contains(p.Schedule, "TZ=") {
		return nil, nil, errors.New("schedule holds a time zone: write it as timezone instead")
	}
	loc, err := time.LoadLocation(p.Timezone)
	if err != nil {
		return nil, nil, fmt.Errorf("timezone %q: %w", p.Timezone, err)
	}
	schedule, err := cron.ParseStandard(p.Schedule)
	if err != nil {
		return nil, nil, fmt.Errorf("schedule %q: %w", p.Schedule, err)
	}
	return schedule, loc, nil
}

// splay returns a delay in [0, most) that is always the same for a domain, so
// that a large fleet does not ask one DNS account for everything at once.
func splay(domain string, most time.Duration) time.Duration {
	if most < time.Second {
		return 0
	}
	return share(domain, most/time.Second) * time.Second
}
