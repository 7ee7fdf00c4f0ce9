package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Entry is a line of the timeline.
type Entry struct {
	At     time.Time
	Domain string // "" when it is about something that domains share
	Kind   rotate.Kind
	Text   string
}

// String returns the entry as a line.
func (e Entry) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s  %s  %s", stamp(e.At), e.Domain, e.Text))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func days(d time.Duration) string { return calendar.Span(d) }

// tell adds a line to the timeline.
func (w *world) log(domain, format string, args ...any) {
	w.enterLine(Entry{At: w.now, Domain: domain, Text: fmt.Sprintf(format, args...)})
}

// logEvent adds a step that was done; the process says the others itself.
func (w *world) logEvent(e rotate.Event) {
	if e.Outcome != codes.OutcomeDone {
		return
	}
	text := fmt.Sprintf("%s %s %s done %s", e.Kind, e.Selector, e.Signer, e.Message)
	w.enterLine(Entry{At: w.now, Domain: e.Domain, Kind: e.Kind, Text: strings.Join(strings.Fields(text), " ")})
}

// led is how many lines lead to a violation.
const led = 60

func (w *world) enterLine(e Entry) {
	if w.sc.trace != nil {
		w.sc.trace(e)
	}
	t := &w.report.Timeline
	if len(*t) == 4*led { // only the end is needed
		*t = slices.Delete(*t, 0, 3*led)
	}
	*t = append(*t, e)
}

// milestone notes what a write of the state says of the domain's selectors.
func (w *world) milestone(d *domain, st rotate.State) {
	note := func(format string, args ...any) {
		w.report.Milestones = append(w.report.Milestones,
			Entry{At: w.now, Domain: d.name, Text: fmt.Sprintf(format, args...)})
	}
	signers := strings.Join(d.want.Signers, ", ")
	began := func(since time.Time) string {
		if w.now.Sub(since) < time.Hour {
			return ""
		}
		return ", after " + coarse(w.now.Sub(since)) + " of trying"
	}
	switch was := d.phase; {
	case was == st.Phase:
	case st.Phase == rotate.Bootstrapping:
		note("the first keys of %s and %s are being made and published", d.want.Policy.Selectors[0],
			d.want.Policy.Selectors[1])
	case was == rotate.Bootstrapping:
		note("%s begins to sign, on %s", st.Active, signers)
	case st.Phase == rotate.Draining:
		note("%s signs, on %s%s; %s is drained until %s", st.Active, signers, began(d.phaseAt), st.Draining,
			stamp(st.SwitchedAt.Add(d.want.Policy.Drain))[:16])
	case st.Phase == rotate.Ready:
		note("%s has a fresh key%s, which waits for the next rotation", d.want.Policy.Other(st.Active), began(d.phaseAt))
	}
	next := st.Next
	waits := next != nil && st.Phase == rotate.Ready && next.Action == codes.ActionRotate &&
		(next.Reason.Code == codes.Settle || next.Reason.Code == codes.Cache)
	if waits && !d.waits {
		w.report.Waited++
		note("a rotation to %s is due, and waits until %s, when no cache can hold the old key any more", next.Selector,
			stamp(next.At)[:16])
	}
	d.waits = waits
}

// coarse tells a length of time in one unit.
func coarse(d time.Duration) string {
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return fmt.Sprintf("%d hours", d/time.Hour)
}
