package calendar

import (
	"strconv"
	"strings"
	"time"
)

// Span formats a duration for people: "7d", "36h", "10m", "2s".
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d >= 2*time.Hour && d%time.Minute == 0:
		return strings.TrimSuffix(d.String(), "0s") // 24h1m, and not 1441m
	case d >= time.Minute && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return d.String()
}

// ParseSpan reads what Span wrote, 0 for anything else.
func ParseSpan(text string) time.Duration {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0
		}
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// Until describes, for people, a time that something has to wait for: the first whole minute that is not before it.
func Until(t time.Time) string {
	if m := t.Truncate(time.Minute); m.Before(t) {
		t = m.Add(time.Minute)
	}
	return Utc(t)
}

// Utc describes a time in UTC, for people.
func Utc(t time.Time) string {
	if t.IsZero() {
		return "ever"
	}
	return t.UTC().Format("Mon 2006-01-02 15:04") + " UTC"
}
