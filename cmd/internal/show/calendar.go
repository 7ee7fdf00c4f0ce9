package show

import (
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

const calendarDay = "Mon 2006-01-02"

// Calendar writes what is to come, by day. Of many domains, those for which the same is done at
// the same time are one entry, unless whole is set.
func (t Text) Calendar(doc report.CalendarDocument, whole bool) {
	entries := together(doc, whole)
	wide, last := 0, ""
	for _, e := range entries {
		wide = max(wide, len(e.title()))
	}
	for _, e := range entries {
		if today := e.At.Format(calendarDay); today != last {
			fmt.Fprintln(t.W, t.Bold(today))
			last = today
		}
		fmt.Fprintf(t.W, "  %s  %-*s  %s\n", e.At.Format("15:04"), wide, e.title(), t.entry(e.CalendarEntry))
		if len(e.names) > 1 {
			fmt.Fprintln(t.W, t.listed(e.names, "         "))
		}
	}
	if len(doc.Entries) > 0 {
		fmt.Fprintln(t.W)
	}
	for _, g := range doc.Stops(whole || len(doc.Domains) <= manyDomains) {
		t.stops(g)
	}
	fmt.Fprintf(t.W, "%s. Times are UTC, the earliest possible, if nothing gets in between. Nothing was changed.\n",
		calendarSummary(doc))
}

// stops says up to when something is known of domains that one cause stops.
func (t Text) stops(g []report.CalendarDomain) {
	d := g[0]
	fmt.Fprintln(t.W, t.Bold(stopTitle(g))+"  "+t.Dim("known until "+screen.Day(d.Until)))
	if len(g) > 1 {
		var names []string
		for _, d := range g {
			names = append(names, d.Name)
		}
		fmt.Fprintln(t.W, t.listed(names, "  "))
	}
	fmt.Fprintf(t.W, "  %s %s\n", t.Red("stops:"), screen.Lines(d.Problem.Message, "         "))
	if d.Problem.Hint != "" {
		fmt.Fprintf(t.W, "  %s %s\n", t.Yellow("hint:"), d.Problem.Hint)
	}
	fmt.Fprintln(t.W)
}

func stopTitle(g []report.CalendarDomain) string {
	if len(g) == 1 {
		return g[0].Name
	}
	return report.Count(len(g), "domain")
}

// joint is what is done at one time, in the same words, for the named domains.
type joint struct {
	report.CalendarEntry
	names []string
}

func (j joint) title() string {
	if len(j.names) == 1 {
		return j.names[0]
	}
	return report.Count(len(j.names), "domain")
}

// together joins the entries of many domains.
func together(doc report.CalendarDocument, whole bool) (out []joint) {
	type same struct {
		at    time.Time
		words string
	}
	at := map[same]int{}
	for _, e := range doc.Entries {
		key := same{e.At.Truncate(time.Minute), e.Message}
		i, known := at[key]
		if !known || whole || len(doc.Domains) <= manyDomains {
			at[key], out = len(out), append(out, joint{CalendarEntry: e, names: []string{e.Domain}})
		} else if i := &out[i]; !slices.Contains(i.names, e.Domain) {
			i.names = append(i.names, e.Domain)
		}
	}
	return out
}

// entry colours what changes how mail is signed.
func (t Text) entry(e report.CalendarEntry) string {
	if e.Action == codes.ActionActivate {
		return t.Green(e.Message)
	}
	return e.Message
}

func calendarSummary(doc report.CalendarDocument) string {
	n := report.Count(doc.Summary.Entries, "entry")
	if doc.Summary.Entries != 1 {
		n = fmt.Sprintf("%d entries", doc.Summary.Entries)
	}
	return fmt.Sprintf("%s, %s until %s", report.Count(doc.Summary.Domains, "domain"), n, screen.Day(doc.Until))
}

// Calendar writes what is to come as a table. See Text.Calendar for whole; it ends before it is
// too long for a comment.
func (m Markdown) Calendar(doc report.CalendarDocument, whole bool) {
	parts := []func(Markdown){func(m Markdown) {
		m.line("## dkimbot calendar: %s", calendarSummary(doc))
		m.line("Times are UTC, the earliest possible, if nothing gets in between. Nothing was changed.")
	}}
	for _, g := range doc.Stops(whole || len(doc.Domains) <= manyDomains) {
		parts = append(parts, func(m Markdown) { m.reachesTo(g) })
	}
	for rows := range slices.Chunk(together(doc, whole), calendarRows) {
		parts = append(parts, func(m Markdown) { m.entries(rows) })
	}
	m.parts(parts, whole, "dkimbot plan --for TIME --format markdown --all")
}

// calendarRows is how many entries stand in one table.
const calendarRows = 50

func (m Markdown) entries(entries []joint) {
	rows := [][]string{{"day", "time", "domain", "what", "selector", "signers"}}
	for _, e := range entries {
		rows = append(rows, []string{e.At.Format(calendarDay), e.At.Format(time.TimeOnly)[:5],
			escape(some(e.names, 20)), escape(e.Message), cell(e.Selector), m.names(e.Signers)})
	}
	m.table(rows)
}

func (m Markdown) reachesTo(g []report.CalendarDomain) {
	d := g[0]
	m.line("**%s**, known until %s, stops: %s", escape(stopTitle(g)), screen.Day(d.Until), escape(d.Problem.Message))
	if len(g) > 1 {
		var names []string
		for _, d := range g {
			names = append(names, d.Name)
		}
		m.line("These are %s.", escape(some(names, 20)))
	}
	if d.Problem.Hint != "" {
		m.line("**Hint:** %s", escape(d.Problem.Hint))
	}
}

func (m Markdown) names(names []string) string {
	out := ""
	for i, n := range names {
		if i > 0 {
			out += ", "
		}
		out += cell(n)
	}
	return out
}
