package config

import (
	"strings"
	"time"
	_ "time/tzdata" // a schedule's time zone must be known on machines without zoneinfo

	"github.com/robfig/cron/v3"
)

// scheduleForm is what a schedule should look like.
const scheduleForm = `write minute, hour, day, month, weekday: "0 4 1 * *" is four o'clock on the first of each month`

// parseSchedule reads a cron expression of five fields, or a word such as
// @monthly, in the zone. When the schedule is nil, the words say why.
func parseSchedule(expr string, zone *time.Location) (s *cron.SpecSchedule, problem, remedy string) {
	fields := strings.Fields(expr)
	switch {
	case len(fields) > 0 && (strings.HasPrefix(fields[0], "TZ=") || strings.HasPrefix(fields[0], "CRON_TZ=")):
		// On its own such a prefix makes the parser panic.
		return nil, "a time zone stands in the expression", "write it at the key timezone instead"
	case len(fields) > 0 && strings.HasPrefix(fields[0], "@every"):
		return nil, "@every has no fixed times", scheduleForm
	}
	parsed, err := cron.ParseStandard(strings.Join(fields, " "))
	if err != nil {
		return nil, "it is not a cron expression: " + err.Error(), scheduleForm
	}
	s, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, "it has no fixed times", scheduleForm
	}
	s.Location = zone
	if s.Next(sampleStart).IsZero() {
		return nil, "no such date ever comes", "correct day and month: not every month has a 29th, 30th or 31st"
	}
	return s, "", ""
}

// sampleStart is a fixed moment, so that a file is right or wrong on every day alike.
var sampleStart = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// sampleSize covers the months of two years, and more.
const sampleSize = 26

// gaps returns the shortest and the longest time between two moments of the schedule.
func gaps(s cron.Schedule) (shortest, longest time.Duration) {
	last := s.Next(sampleStart)
	for range sampleSize {
		next := s.Next(last)
		if next.IsZero() {
			break
		}
		d := next.Sub(last)
		if shortest == 0 || d < shortest {
			shortest = d
		}
		longest, last = max(longest, d), next
	}
	return shortest, longest
}
