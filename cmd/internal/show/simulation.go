package show

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
)

// Simulation writes the timeline of each domain, then the verdict.
func (t Text) Simulation(doc report.SimulationDocument) { simulation{t, doc}.write() }

// simulation is one that was played.
type simulation struct {
	Text
	doc report.SimulationDocument
}

func (t simulation) write() {
	for _, d := range t.doc.Domains {
		t.heading(d.Name, "")
		if d.StandsFor > 1 {
			fmt.Fprintf(t.W, "  stands for %s with the same policy, provider and signers\n", report.Count(d.StandsFor, "domain"))
		}
		for _, s := range d.Timeline {
			fmt.Fprintf(t.W, "  day %-4d %s  %s\n", s.Day, s.At.Format("2006-01-02 15:04"), s.What)
		}
		fmt.Fprintln(t.W)
	}
	t.totals()
	for _, m := range t.doc.Margins {
		t.margin(m)
	}
	for _, p := range t.doc.Problems {
		fmt.Fprintf(t.W, "%s %s, first on %s (%s): %s\n", t.Red("problem:"), p.Domain, p.At.Format("2006-01-02"),
			report.Count(p.Count, "time"), p.Message)
	}
	t.advice()
	fmt.Fprintln(t.W, t.verdict())
}

func (t simulation) totals() {
	v := t.doc.Verdict
	fmt.Fprintf(t.W, "Played %s from %s, faults %s, seed %d.\n", screen.Coarse(t.doc.To.Sub(t.doc.From)),
		t.doc.From.Format("2006-01-02"), t.doc.Faults, t.doc.Seed)
	fmt.Fprintf(t.W, "%s, %s signed, %s: %d failed, %d messages without signature.\n",
		report.Count(v.Rotations, "rotation"), report.Count(v.Mails, "message"),
		report.Count(v.Verifications, "verification"), v.Failures, v.Unsigned)
	if v.Excused > 0 {
		fmt.Fprintf(t.W, "%s more failed for which no software can answer: "+
			"a host was restored from a backup whose keys were long replaced.\n", report.Count(v.Excused, "verification"))
	}
	fmt.Fprintln(t.W, "Assumed: mail is under way for up to 5 days, "+
		"receivers keep a key for up to 7 days behind resolvers that keep it for its TTL.")
}

var waits = map[string]string{
	"drain":          "between the last message with an old key and the key's replacement",
	"settle":         "between the last sight of an old record and the first use of the new key",
	"negative cache": "between the publication of a first key and its first use",
}

func (t simulation) margin(m report.SimulationMargin) {
	words := "to spare"
	switch {
	case m.Exact < 0:
		words = t.Red("too short")
	case m.Thin:
		words = t.Yellow("to spare, which is thin")
	}
	fmt.Fprintf(t.W, "Tightest %s: %s %s (%s at %s, %s; %s)\n", m.Wait, span(m.Exact.Abs()), words, m.Selector, m.Domain,
		m.At.Format("2006-01-02"), waits[m.Wait])
}

func span(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	return screen.Coarse(d)
}

// advice says what a person can do about what was found.
func (t simulation) advice() {
	for _, m := range t.doc.Margins {
		switch {
		case m.Exact >= 0:
		case m.Wait == "drain":
			fmt.Fprintln(t.W, t.Yellow("hint:"), "write a longer drain: it must cover the queue's life; 7d is the default")
		case m.Wait == "settle":
			fmt.Fprintln(t.W, t.Yellow("hint:"),
				"write a longer settle: receivers may keep the old key for seven days; 7d is the default")
		default:
			fmt.Fprintln(t.W, t.Yellow("hint:"),
				"turn verification on: with mode none dkimbot does not see what the name servers show")
		}
	}
	if n := t.doc.Verdict.Waited; n > 0 {
		fmt.Fprintf(t.W, "%s due before the key had settled, and waited: a whole turn takes drain, TTL and settle. "+
			"A rarer schedule would say when it really happens.\n",
			map[bool]string{true: "1 rotation was", false: report.Count(n, "rotation") + " were"}[n == 1])
	}
}

func (t simulation) verdict() string {
	switch {
	case t.doc.Verdict.OK:
		return t.Green("No mail fails.")
	case t.doc.Verdict.MailFails:
		return t.Red("Mail would fail.")
	}
	return t.Red("No mail fails, but dkimbot broke a rule of its own.") +
		" Report this as a defect, with the seed and the configuration's policies."
}
