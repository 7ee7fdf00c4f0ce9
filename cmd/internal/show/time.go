package show

import (
	"fmt"
	"time"
)

// when tells a time that something has to wait for.
func (t Text) when(at time.Time) string {
	if at.IsZero() || !at.After(t.Now) {
		return "now"
	}
	return "not before " + t.at(at)
}

// at tells a time with its distance, in UTC.
func (t Text) at(at time.Time) string {
	d := at.Sub(t.Now)
	far := "in " + coarse(d)
	if d < 0 {
		far = coarse(-d) + " ago"
	}
	return fmt.Sprintf("%s UTC (%s)", at.UTC().Format("Mon 2006-01-02 15:04:05"), far)
}

// coarse rounds a distance to what a person wants to know.
func coarse(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()+0.5))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()+0.5))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()+0.5))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24+0.5))
}
