package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// DurationFlag is a length of time that may be given in days or weeks.
type DurationFlag struct {
	Span        time.Duration
	Least, Most time.Duration
	Example     string
}

// Type names the value in help.
func (*DurationFlag) Type() string { return "time" }

// String returns the value as it may be given.
func (v *DurationFlag) String() string {
	if v.Span == 0 {
		return ""
	}
	return calendar.Span(v.Span)
}

// Set reads "365d", "2w", or a duration in Go's notation.
func (v *DurationFlag) Set(s string) error {
	d, err := ParseDuration(s)
	if err != nil || d < v.Least || d > v.Most {
		return fmt.Errorf("write a time from %s to %s, such as %s", calendar.Span(v.Least), calendar.Span(v.Most), v.Example)
	}
	v.Span = d
	return nil
}

// ParseDuration reads "365d" or "2w", as the configuration does, or a duration in Go's notation.
func ParseDuration(s string) (time.Duration, error) {
	whole, ok := strings.CutSuffix(s, "d")
	each := 1.0
	if !ok {
		if whole, ok = strings.CutSuffix(s, "w"); !ok {
			return time.ParseDuration(s)
		}
		each = 7
	}
	days, err := strconv.ParseFloat(whole, 64)
	days *= each
	if err != nil || !(days >= 0 && days <= 1e5) {
		return 0, fmt.Errorf("%q is not a number of days", s)
	}
	return time.Duration(days * 24 * float64(time.Hour)), nil
}
