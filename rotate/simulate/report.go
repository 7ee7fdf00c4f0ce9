package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Report is what came of a run.
type Report struct {
	Mails         int // messages that were signed
	Verifications int
	Failures      int // verifications that failed
	Unsigned      int // messages that went out without a signature
	Excused       int // verifications that failed for a reason outside of the promise (see the package documentation)
	Forgone       int // verifications that failed because of a key that was reported as compromised (see there, too)
	Emergencies   int // reports of compromised keys
	Rollbacks     int // orders to go back
	Releases      int // domains that were released
	Purges        int // and purged
	Plans         int // approved plans that were taken up
	Outlived      int // effects that came after another process had taken the lease over
	LostKeys      int // private keys that the keystore lost
	Adoptions     int // keys in use that were adopted
	Cleared       int // records of before that a person removed when it was said that they may go
	HeldBack      int // switches that were put off, or refused, because as many had begun as may
	Rotations     int // switches that every signer has confirmed
	Turns         int // times that a process looked at a domain and did what there was to do
	Steps         int // events and effects
	Years         float64

	Waited int // rotations that were due before their key had settled, and waited

	Margins    []Margin    // the tightest one for each kind of wait
	Milestones []Entry     // what became of the selectors, the oldest first
	Timeline   []Entry     // the last of what happened, in detail
	Violation  *Violation  // the first; nil when no invariant was violated
	Broken     []Violation // one of each sort, with its number
}

// MailFails reports that mail failed, or could have.
func (r Report) MailFails() bool {
	for _, v := range r.Broken {
		if v.Invariant == "I1" || v.Invariant == "I2" {
			return true
		}
	}
	return false
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

// Thin reports that a wait of days had less than least to spare. Where the settle time
// or a cache decides when a key is used, nothing is to spare by design: that is not thin.
func (m Margin) Thin(least time.Duration) bool { return m.Wait == drainWait && m.Length < least }

// The kinds of wait.
const (
	drainWait    = "drain"
	settleWait   = "settle"
	negativeWait = "negative cache"
	resolverWait = "resolver cache"
)

// countRule stands in the place of an invariant where more domains begin to switch than may.
const countRule = "counts"

// truthRule stands there where something is told that is not so.
const truthRule = "truth"

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string // "I1" to "I12", or countRule
	Domain    string
	What      string
	At        time.Time
	Seed      uint64
	Step      int
	Count     int     // how often, in a run that was not strict
	Replay    string  // a command that plays it again
	Timeline  []Entry // what led there
}

// Error tells all of it.
func (v *Violation) Error() string {
	var b strings.Builder
	for _, e := range v.Timeline {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	fmt.Fprintf(&b, "%s violated on %s at %s: %s\nseed %d, step %d\n", v.Invariant, v.Domain, stamp(v.At), v.What,
		v.Seed, v.Step)
	if v.Replay != "" {
		fmt.Fprintf(&b, "replay: %s\n", v.Replay)
	}
	return b.String()
}

// margin notes how much longer a wait was than it had to be.
func (w *world) margin(wait string, name dkim.Name, length time.Duration) {
	if length < -w.tolerance {
		w.violate("I2", name.Domain, "the %s at %s was too short by %s", wait, name, -length.Round(time.Second))
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
	sort := invariant + domain + format
	if i, known := w.sorts[sort]; known {
		w.report.Broken[i].Count++
		return
	}
	w.sorts[sort] = len(w.report.Broken)
	v := Violation{Count: 1, Invariant: invariant, Domain: domain, What: fmt.Sprintf(format, args...), At: w.now,
		Seed: w.sc.Seed, Step: w.steps, Replay: w.sc.Replay}
	w.log(domain, "%s: %s", invariant, v.What)
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
	if sc.Strict { // otherwise the run may end anywhere
		w.checkEnd()
	}
	w.report.Steps = w.steps
	w.report.Years = float64(len(sc.Domains)) * w.now.Sub(sc.Start).Hours() / 24 / 365
	for _, wait := range []string{drainWait, settleWait, negativeWait, resolverWait} {
		if m, ok := w.margins[wait]; ok {
			w.report.Margins = append(w.report.Margins, m)
		}
	}
	return w.report
}
