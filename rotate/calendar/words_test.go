package calendar_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// TestSpan: durations are written in one way, which the configuration reads and saved plans keep.
func TestSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "1m30s": 90 * time.Second, "1m": time.Minute, "90m": 90 * time.Minute, "2h": 2 * time.Hour, "36h": 36 * time.Hour,
		"24h1m": 24*time.Hour + time.Minute, "7d": 7 * 24 * time.Hour, "1.5s": 1500 * time.Millisecond,
	} {
		got := calendar.Span(d)
		if got != want {
			t.Errorf("%d is written %q, want %q", d, got, want)
		}
		if back := calendar.ParseSpan(got); back != d {
			t.Errorf("%q is read as %s", got, back)
		}
	}
}
