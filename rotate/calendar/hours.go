package calendar

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours are the times at which something may begin: within one of its windows, and
// within none of its freezes. The zero Hours are always open.
type Hours struct{ windows, freezes []period }

// NewHours returns the hours that windows and freezes leave. Without windows, any
// time will do that no freeze covers.
func NewHours(windows, freezes []Period) (h Hours, err error) {
	if h.windows, err = parseAll(windows); err == nil {
		h.freezes, err = parseAll(freezes)
	}
	return h, err
}

func parseAll(periods []Period) ([]period, error) {
	out := make([]period, len(periods))
	for i, p := range periods {
		var err error
		if out[i], err = p.parse(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Key, err)
		}
	}
	return out, nil
}

// CheckHours returns an error when no change could ever begin within the windows and outside of the freezes.
func CheckHours(windows, freezes []Period, now time.Time) error {
	hours, err := NewHours(windows, freezes)
	if err != nil {
		return err
	}
	if _, ok := hours.Open(now); ok {
		return nil
	}
	var keys []string
	for _, p := range slices.Concat(windows, freezes) {
		keys = append(keys, p.Key)
	}
	return fmt.Errorf("no change could ever begin under %s", strings.Join(keys, " and "))
}

// searched is how far ahead an opening is looked for.
const searched = 5 * 366 * 24 * time.Hour

// Open returns the first time at or after now at which something may begin, and
// false when there is none within five years.
func (h Hours) Open(now time.Time) (time.Time, bool) {
	for t, links := now, 0; links < mostLinks && t.Before(now.Add(searched)); links++ {
		open, ok := h.inWindow(t)
		if !ok {
			return time.Time{}, false
		}
		if t, ok = h.afterFreezes(open); !ok {
			return time.Time{}, false
		}
		if t.Equal(open) {
			return t, true
		}
	}
	return time.Time{}, false
}

// inWindow returns the first time at or after t that lies in one of the windows, or
// t when there are none.
func (h Hours) inWindow(t time.Time) (time.Time, bool) {
	if len(h.windows) == 0 {
		return t, true
	}
	var first time.Time
	for _, w := range h.windows {
		at := t
		if !w.during(t) {
			at = w.Next(t)
		}
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first, !first.IsZero()
}

// afterFreezes returns the first time at or after t at which those freezes are over
// that hold at t.
func (h Hours) afterFreezes(t time.Time) (time.Time, bool) {
	last := t
	for _, f := range h.freezes {
		end, ok := f.end(t)
		if !ok {
			return time.Time{}, false
		}
		if end.After(last) {
			last = end
		}
	}
	return last, true
}

// Bar is what keeps something from beginning: a freeze, or that no window is open.
type Bar struct {
	Freeze bool
	Key    string    // of the freeze, or of the window that opens next
	Until  time.Time // when the freeze ends or the window opens; zero when it never does
}

// Bars returns what keeps something from beginning at now.
func (h Hours) Bars(now time.Time) (bars []Bar) {
	for _, f := range h.freezes {
		if end, _ := f.end(now); !end.Equal(now) {
			bars = append(bars, Bar{true, f.key, end})
		}
	}
	if open, ok := h.inWindow(now); !ok || open.After(now) {
		bars = append(bars, Bar{false, h.nextWindow(open), open})
	}
	return bars
}

// nextWindow names the window that holds open.
func (h Hours) nextWindow(open time.Time) string {
	for _, w := range h.windows {
		if w.during(open) {
			return w.key
		}
	}
	return "limits.windows"
}
