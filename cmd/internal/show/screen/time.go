package screen

import (
	"fmt"
	"time"
)

// When describes a time that something has to wait for.
func (p Pen) When(at time.Time) string {
	if at.IsZero() || !at.After(p.Now) {
		return "now"
	}
	return "not before " + p.At(at)
}

// At describes a time with its distance, in UTC.
func (p Pen) At(at time.Time) string {
	d := at.Sub(p.Now)
	far := "in " + Coarse(d)
	if d < 0 {
		far = Coarse(-d) + " ago"
	}
	return fmt.Sprintf("%s UTC (%s)", at.UTC().Format("Mon 2006-01-02 15:04:05"), far)
}

// Coarse rounds a distance to what a person wants to know.
func Coarse(d time.Duration) string {
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

// Day describes the day and the hour.
func Day(t time.Time) string { return t.UTC().Format("Mon 2006-01-02 15:04 UTC") }
