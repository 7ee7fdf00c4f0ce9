package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// scheduleForm is what a schedule should look like.
const scheduleForm = `write minute, hour, day, month, weekday: "0 4 1 * *" is four o'clock on the first of each month`

// checkSchedule reports a schedule that never comes; schedule and time zone have a meaning only
// together. What is wrong is left as base has it.
func checkSchedule(s *node.Section, p *Policy, base Policy) {
	v := s.Get("schedule")
	if strings.HasPrefix(p.Schedule, "@every") {
		v.Fail("@every has no fixed times", scheduleForm)
		p.Schedule = base.Schedule
	}
	if _, err := calendar.Parse(p.Schedule, p.Timezone); err != nil { // it never fires, such as on the 30th of February
		v.Fail(err.Error(), scheduleForm)
		p.Schedule = base.Schedule
	}
	if s.Has("schedule", "drain", "settle", "splay") {
		checkPace(s, *p)
	}
}

// keyLife is how long a key may be used at most (M3AAWG, 2019): six months,
// with two days' grace for months of different length.
const keyLife = 186 * day

// checkPace warns about schedules that are too fast for the waits, or too slow.
func checkPace(s *node.Section, p Policy) {
	line, path := s.At("schedule", "drain", "settle", "splay")
	switch shortest, longest := gaps(p.Policy); {
	case shortest < p.Drain+p.Settle:
		s.Doc.Warn(line, path, fmt.Sprintf("rotations become due every %s, but one takes drain and settle, %s: "+
			"they will wait", settings.Brief(shortest), settings.Brief(p.Drain+p.Settle)),
			"write a schedule with more time between")
	case p.Splay >= shortest:
		s.Doc.Warn(line, path, fmt.Sprintf("a splay of %s is not shorter than the %s between rotations",
			settings.Brief(p.Splay), settings.Brief(shortest)), "write a shorter splay")
	case longest > keyLife:
		s.Doc.Warn(line, path, fmt.Sprintf("a key would be used for %d days; six months is the most that is advised (M3AAWG)",
			longest/day), `rotate more often: "0 4 1 */3 *" is quarterly`)
	}
}

// sampleStart is a fixed moment, so that a file is right or wrong on every day alike.
var sampleStart = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// sampleSize covers the months of two years, and more.
const sampleSize = 26

// gaps returns the shortest and the longest time between two moments of the
// policy's schedule, the splay apart.
func gaps(p rotate.Policy) (shortest, longest time.Duration) {
	p.Splay = 0
	last := sampleStart
	for i := range sampleSize {
		next, err := p.NextDue("", last)
		if err != nil {
			break
		}
		if i == 0 {
			last = next // what lies before it is no gap
			continue
		}
		d := next.Sub(last)
		if shortest == 0 || d < shortest {
			shortest = d
		}
		longest, last = max(longest, d), next
	}
	return shortest, longest
}
