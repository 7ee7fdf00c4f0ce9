package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Report is what came of a run.
type Report struct {
	Mails         int // messages that were signed
	Verifications int
	Failures      int // verifications that failed
	Unsigned      int // messages that went out without a signature
	Excused       int // verifications that failed for a reason outside of the promise (see the package documentation)
	Rotations     int // switches that every signer has confirmed
	Turns         int // times that a process looked at a domain and did what there was to do
	Steps         int // events and effects
	Years         float64

	Margins   []Margin    // the tightest one for each kind of wait
	Timeline  []Entry     // what happened, the oldest first
	Violation *Violation  // the first; nil when no invariant was violated
	Broken    []Violation // all of them, when the run was not strict
}

// Entry is a line of the timeline.
type Entry struct {
	At     time.Time
	Domain string // "" when it is about something that domains share
	Kind   rotate.Kind
	Text   string
}

// Margin is how much longer a wait was than it had to be. A negative margin means
// that mail can fail.
type Margin struct {
	Wait   string // "drain", "settle" or "negative cache"
	Domain string
	Name   dkim.Name
	At     time.Time // the end of the wait
	Length time.Duration
}

// The kinds of wait.
const (
	drainWait    = "drain"
	settleWait   = "settle"
	negativeWait = "negative cache"
)

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string // "I1" to "I12"
	Domain    string
	What      string
	At        time.Time
	Seed      uint64
	Step      int
	Replay    string  // a command that plays it again
	Timeline  []Entry // what led there
}

// Error tells all of it.
func (v *Violation) Error() string {
	var b strings.Builder
	for _, e := range v.Timeline {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	fmt.Fprintf(&b, "%s violated on %s at %s: %s\nseed %d, step %d\n", v.Invariant, v.Domain, stamp(v.At), v.What, v.Seed, v.Step)
	if v.Replay != "" {
		fmt.Fprintf(&b, "replay: %s\n", v.Replay)
	}
	return b.String()
}

// String returns the entry as a line.
func (e Entry) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s  %s  %s", stamp(e.At), e.Domain, e.Text))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func days(d time.Duration) string { return rotate.Span(d) }

// tell adds a line to the timeline.
func (w *world) tell(domain, format string, args ...any) {
	w.enterLine(Entry{At: w.now, Domain: domain, Text: fmt.Sprintf(format, args...)})
}

// tellEvent adds a step that was done.
func (w *world) tellEvent(e rotate.Event) {
	text := fmt.Sprintf("%s %s %s %s %s", e.Kind, e.Selector, e.Signer, e.Outcome, e.Message)
	w.enterLine(Entry{At: w.now, Domain: e.Domain, Kind: e.Kind, Text: strings.Join(strings.Fields(text), " ")})
}

// led is how many lines lead to a violation.
const led = 60

func (w *world) enterLine(e Entry) {
	t := &w.report.Timeline
	if w.sc.Strict && len(*t) == 4*led { // only the end is needed
		*t = slices.Delete(*t, 0, 3*led)
	}
	*t = append(*t, e)
}

// margin notes how much longer a wait was than it had to be.
func (w *world) margin(wait string, name dkim.Name, length time.Duration) {
	if length < -w.tolerance {
		w.violate("I2", name.Domain, "the %s at %s was too short by %s", wait, name, -length)
	}
	if m, ok := w.margins[wait]; !ok || length < m.Length {
		w.margins[wait] = Margin{Wait: wait, Domain: name.Domain, Name: name, At: w.now, Length: length}
	}
}

// violate notes that an invariant does not hold; a strict run ends with it.
func (w *world) violate(invariant, domain, format string, args ...any) {
	if w.halted {
		return
	}
	v := Violation{Invariant: invariant, Domain: domain, What: fmt.Sprintf(format, args...), At: w.now, Seed: w.sc.Seed, Step: w.steps, Replay: w.sc.Replay}
	w.tell(domain, "%s: %s", invariant, v.What)
	if w.report.Violation == nil {
		t := w.report.Timeline
		v.Timeline = slices.Clone(t[max(0, len(t)-led):])
		w.report.Violation = &v
	}
	w.report.Broken = append(w.report.Broken, v)
	w.halted = w.sc.Strict
}

// Run plays a scenario. It touches nothing outside of itself.
func Run(sc Scenario) Report {
	w := newWorld(sc)
	w.begin()
	w.runUntil(w.end)
	w.checkEnd()
	w.report.Steps = w.steps
	w.report.Years = float64(len(sc.Domains)) * w.now.Sub(sc.Start).Hours() / 24 / 365
	for _, wait := range []string{drainWait, settleWait, negativeWait} {
		if m, ok := w.margins[wait]; ok {
			w.report.Margins = append(w.report.Margins, m)
		}
	}
	return w.report
}
