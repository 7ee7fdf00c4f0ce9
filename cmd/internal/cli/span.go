package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// spanValue is a length of time that may be given in days.
type spanValue struct {
	span        time.Duration
	least, most time.Duration
	example     string
}

// Type names the value in help.
func (*spanValue) Type() string { return "time" }

// String returns the value as it may be given.
func (v *spanValue) String() string {
	if v.span == 0 {
		return ""
	}
	return rotate.Span(v.span)
}

// Set reads "365d", or a duration in Go's notation.
func (v *spanValue) Set(s string) error {
	d, err := parseSpan(s)
	if err != nil || d < v.least || d > v.most {
		return fmt.Errorf("write a time from %s to %s, such as %s", rotate.Span(v.least), rotate.Span(v.most), v.example)
	}
	v.span = d
	return nil
}

// parseSpan reads "365d", or a duration in Go's notation.
func parseSpan(s string) (time.Duration, error) {
	whole, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	days, err := strconv.ParseFloat(whole, 64)
	if err != nil || !(days >= 0 && days <= 1e5) {
		return 0, fmt.Errorf("%q is no number of days", s)
	}
	return time.Duration(days * 24 * float64(time.Hour)), nil
}
