package show

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

const calendarDay = "Mon 2006-01-02"

// Calendar writes what is to come, by day.
func (t Text) Calendar(doc report.CalendarDocument) {
	wide, last := 0, ""
	for _, e := range doc.Entries {
		wide = max(wide, len(e.Domain))
	}
	for _, e := range doc.Entries {
		if today := e.At.Format(calendarDay); today != last {
			fmt.Fprintln(t.W, t.bold(today))
			last = today
		}
		fmt.Fprintf(t.W, "  %s  %-*s  %s\n", e.At.Format("15:04"), wide, e.Domain, t.entry(e))
	}
	if len(doc.Entries) > 0 {
		fmt.Fprintln(t.W)
	}
	for _, d := range doc.Domains {
		if d.Problem != nil {
			fmt.Fprintf(t.W, "%s  %s\n  %s %s\n", t.bold(d.Name), t.dim("known until "+day(d.Until)), t.red("stops:"),
				lines(d.Problem.Message, "         "))
			if d.Problem.Hint != "" {
				fmt.Fprintf(t.W, "  %s %s\n", t.yellow("hint:"), d.Problem.Hint)
			}
			fmt.Fprintln(t.W)
		}
	}
	fmt.Fprintf(t.W, "%s. Times are UTC, the earliest possible, if nothing gets in between. Nothing was changed.\n",
		calendarSummary(doc))
}

// entry colours what changes how mail is signed.
func (t Text) entry(e report.CalendarEntry) string {
	if e.Action == codes.ActionActivate {
		return t.green(e.Message)
	}
	return e.Message
}

func calendarSummary(doc report.CalendarDocument) string {
	n := report.Count(doc.Summary.Entries, "entry")
	if doc.Summary.Entries != 1 {
		n = fmt.Sprintf("%d entries", doc.Summary.Entries)
	}
	return fmt.Sprintf("%s, %s until %s", report.Count(doc.Summary.Domains, "domain"), n, day(doc.Until))
}

// Calendar writes what is to come as a table.
func (m Markdown) Calendar(doc report.CalendarDocument) {
	m.line("## dkimbot calendar: %s", calendarSummary(doc))
	m.line("Times are UTC, the earliest possible, if nothing gets in between. Nothing was changed.")
	if len(doc.Entries) > 0 {
		rows := [][]string{{"day", "time", "domain", "what", "selector", "signers"}}
		for _, e := range doc.Entries {
			rows = append(rows, []string{e.At.Format(calendarDay), e.At.Format(time.TimeOnly)[:5], escape(e.Domain),
				escape(e.Message), cell(e.Selector), m.names(e.Signers)})
		}
		m.table(rows)
	}
	for _, d := range doc.Domains {
		if d.Problem != nil {
			m.line("**%s**, known until %s, stops: %s", escape(d.Name), day(d.Until), escape(d.Problem.Message))
			if d.Problem.Hint != "" {
				m.line("**Hint:** %s", escape(d.Problem.Hint))
			}
		}
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
