package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// durationFlag is a length of time that may be given in days.
type durationFlag struct {
	span        time.Duration
	least, most time.Duration
	example     string
}

// Type names the value in help.
func (*durationFlag) Type() string { return "time" }

// String returns the value as it may be given.
func (v *durationFlag) String() string {
	if v.span == 0 {
		return ""
	}
	return rotate.Span(v.span)
}

// Set reads "365d", or a duration in Go's notation.
func (v *durationFlag) Set(s string) error {
	d, err := parseDuration(s)
	if err != nil || d < v.least || d > v.most {
		return fmt.Errorf("write a time from %s to %s, such as %s", rotate.Span(v.least), rotate.Span(v.most), v.example)
	}
	v.span = d
	return nil
}

// parseDuration reads "365d", or a duration in Go's notation.
func parseDuration(s string) (time.Duration, error) {
	whole, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	days, err := strconv.ParseFloat(whole, 64)
	if err != nil || !(days >= 0 && days <= 1e5) {
		return 0, fmt.Errorf("%q is not a number of days", s)
	}
	return time.Duration(days * 24 * float64(time.Hour)), nil
}
