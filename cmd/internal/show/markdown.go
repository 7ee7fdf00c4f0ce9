package show

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/meaning"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Markdown writes plans for pull requests and tickets, in the dialect of GitHub and
// GitLab. Nothing that comes from outside, such as a record or an error, can form markup.
type Markdown struct {
	W   io.Writer
	Now time.Time
}

// mostMarkdown is how many bytes of a plan are written at most, less what ends it: GitHub takes
// comments of 65,536 characters.
const mostMarkdown = 58_000

// Plan writes a plan: a table of all domains that it concerns, then each of them. Of many domains,
// those with the same steps are one group, and it ends before it is too long for a comment, unless
// whole is set. One without a signature is never grouped.
func (m Markdown) Plan(doc planfile.Document, is report.PlanStaleness, whole bool) {
	shown := slices.DeleteFunc(plansOf(doc.Domains),
		func(p rotate.DomainPlan) bool { return idle(p) && len(is.Domains[p.Name].Reasons) == 0 })
	groups := alike(shown, is.Domains, whole || is.Unsigned)
	rows := len(groups)
	if !whole { // what is cut off stops no domain
		slices.SortStableFunc(groups, func(a, b group) int {
			return cmp.Compare(stopped(shown[b[0]], is), stopped(shown[a[0]], is))
		})
		rows = min(rows, mostRows)
	}
	parts := []func(Markdown){func(m Markdown) { m.head(doc, is) }}
	if len(shown) > 0 {
		parts = append(parts, func(m Markdown) {
			m.summary(shown, groups[:rows], is)
			if more := len(groups) - rows; more > 0 {
				m.line("And %d more rows; those that stop stand first.", more)
			}
		})
	}
	if rest := len(doc.Domains) - len(shown); rest > 0 {
		parts = append(parts, func(m Markdown) {
			m.line("%s: nothing to do, and mail continues to be signed as it is.", report.Count(rest, "more domain"))
		})
	}
	for _, g := range groups {
		parts = append(parts, func(m Markdown) { m.group(g, shown, is, len(groups) > manyDomains) })
	}
	m.parts(parts, whole, "dkimbot show FILE --format markdown --all")
}

// mostRows is how many rows the table of all domains has at most, so that there is room for what
// stops some of them.
const mostRows = 100

// stopped is 1 for a plan that is stopped or stale, else 0.
func stopped(p rotate.DomainPlan, is report.PlanStaleness) int {
	if p.Stop != nil || len(is.Domains[p.Name].Reasons) > 0 {
		return 1
	}
	return 0
}

func (m Markdown) head(doc planfile.Document, is report.PlanStaleness) {
	m.line("## dkimbot plan: %s, %s", report.Count(doc.Summary.Domains, "domain"), report.Count(doc.Summary.Steps, "step"))
	m.line("Plan %s, made %s; may be applied %s. Nothing was changed by making it.", code(doc.PlanID),
		screen.Day(doc.CreatedAt), m.span(doc))
	m.staleness("", is.Whole)
	if is.Unsigned {
		m.line("> **Unsigned:** %s.", unsignedWords)
	}
	for _, w := range doc.General() {
		m.line("> **Warning:** %s", escape(w))
	}
}

// parts writes one part after the other, and instead of those for which there is no room the
// command that shows them.
func (m Markdown) parts(parts []func(Markdown), whole bool, command string) {
	room := mostMarkdown
	for i, part := range parts {
		var b strings.Builder
		part(Markdown{&b, m.Now})
		if room -= b.Len(); room < 0 && !whole {
			m.line("> **%s not shown here**, because a comment has to be short. All of it: `%s`.",
				report.Count(len(parts)-i, "part"), command)
			return
		}
		io.WriteString(m.W, b.String())
	}
}

func (m Markdown) span(doc planfile.Document) string {
	if doc.PlannedFor.After(doc.CreatedAt) {
		return "from " + screen.Day(doc.PlannedFor) + " until " + screen.Day(doc.ExpiresAt)
	}
	return "until " + screen.Day(doc.ExpiresAt)
}

func (m Markdown) summary(plans []rotate.DomainPlan, groups []group, is report.PlanStaleness) {
	rows := [][]string{{"domain", "phase", "steps", "what happens to mail"}}
	for _, g := range groups {
		p := plans[g[0]]
		words := escape(meaning.ForMail(p, m.Now))
		switch s := is.Domains[p.Name]; {
		case len(s.Reasons) > 0:
			words = "**Stale.** " + words
		case p.Stop != nil && len(p.Steps) > 0:
			words = "**Stopped in part.** " + words
		case p.Stop != nil:
			words = "**Stopped.** " + words
		}
		steps := fmt.Sprint(len(p.Steps))
		if len(g) > 1 {
			steps = fmt.Sprintf("%d x %d", len(g), len(p.Steps))
		}
		rows = append(rows, []string{escape(g.title(plans)), escape(string(p.Phase)), steps, words})
	}
	m.table(rows)
}

// group writes the domains of a group: their names, and the plan of the first.
func (m Markdown) group(g group, plans []rotate.DomainPlan, is report.PlanStaleness, folded bool) {
	first, title := plans[g[0]], g.title(plans)
	if folded {
		m.line("<details><summary><b>%s</b>, %s</summary>", htmlText(title), report.Count(len(first.Steps), "step"))
	} else {
		m.line("### %s", escape(title))
	}
	if len(g) > 1 {
		m.line("%s", escape(some(g.names(plans), 1000)))
		m.line("%s", escape(groupWords(first.Name)))
	}
	m.domain(first, is.Domains[first.Name])
	if folded {
		m.line("</details>")
	}
}

func (m Markdown) domain(p rotate.DomainPlan, is report.Staleness) {
	m.staleness(p.Name, is)
	if p.Stop != nil {
		m.line("**Stopped:** %s", escape(p.Stop.Error()))
		if hint := fault.HintOf(p.Stop); hint != "" {
			m.line("**Hint:** %s", escape(hint))
		}
	}
	for _, e := range p.Ordered {
		m.line("**First:** %s.", escape(ordered(e)))
	}
	if p.Stop == nil || len(p.Steps) > 0 {
		m.line("**Why:** %s.", escape(cmp.Or(p.Reason.Message, "nothing to do")))
	}
	m.line("**Mail:** %s", escape(meaning.ForMail(p, m.Now)))
	m.steps(p.Steps)
	if p.Next != nil {
		m.line("**Next:** %s, %s: %s.", escape(Action(*p.Next)), m.when(p.Next.At), escape(p.Next.Reason.Message))
	}
	m.drift(p)
}

// steps writes a table of steps, and the whole records where it shortens them.
func (m Markdown) steps(steps []rotate.Step) {
	if len(steps) == 0 {
		return
	}
	rows, records := [][]string{{"", "step", "where", "before", "after", "when", "why"}}, []string{}
	for i, s := range steps {
		from, to := change(s)
		rows = append(rows, []string{fmt.Sprint(i + 1), string(s.Kind), cell(s.Target), cell(from), cell(to),
			m.when(s.NotBefore), escape(s.Reason.Message)})
		if s.Kind != rotate.Publish && s.Kind != rotate.Revoke {
			continue
		}
		for _, side := range []struct{ when, record string }{{"before", s.From.Record}, {"after", s.To.Record}} {
			if side.record != "" {
				records = append(records, fmt.Sprintf("%d. %s, %s: %s", i+1, s.Target, side.when, screen.Visible(side.record)))
			}
		}
	}
	m.table(rows)
	if len(records) > 0 {
		text := strings.Join(records, "\n")
		fence := fenceFor(text, 3)
		m.line("<details><summary>Key records in full</summary>\n\n%s\n%s\n%s\n\n</details>", fence, text, fence)
	}
}

func (m Markdown) when(at time.Time) string {
	if !at.After(m.Now) {
		return "at once"
	}
	return "not before " + screen.Day(at)
}

func (m Markdown) staleness(domain string, is report.Staleness) {
	for _, r := range is.Reasons {
		m.line("> **Stale:** %s", escape(r.Message))
	}
	if is.Unchecked != nil && (domain == "" || len(is.Reasons) == 0) {
		m.line("> **Unchecked:** whether the plan still holds could not be found out: %s", escape(is.Unchecked.Error()))
	}
}

// line writes a paragraph.
func (m Markdown) line(format string, args ...any) { fmt.Fprintf(m.W, format+"\n\n", args...) }

// table writes rows of cells that hold Markdown; the first row is the heading.
func (m Markdown) table(rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(m.W, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(m.W, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
	fmt.Fprintln(m.W)
}

// markup are the characters that mean something in Markdown or HTML.
var markup = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~",
	`\~`, "$", `\$`, "!", `\!`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;",
	"@", "@<!-- -->", "#", "#<!-- -->", "://", ":<!-- -->//", "www.", "www<!-- -->.") // neither people, issues nor links

// escape returns text that reads as s and nothing else.
func escape(s string) string { return markup.Replace(screen.Visible(s)) }

func htmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(screen.Visible(s))
}

// code returns a code span that shows s.
func code(s string) string {
	s = screen.Visible(s)
	if strings.TrimSpace(s) == "" {
		return ""
	}
	fence := fenceFor(s, 1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " " // one space on each side is taken off again
	}
	return fence + s + fence
}

// cell is code within a table, where a bar would end the cell even in a code span.
func cell(s string) string { return strings.ReplaceAll(code(s), "|", `\|`) }

// fenceFor returns at least n backticks, more than stand in a row anywhere in s.
func fenceFor(s string, n int) string {
	run := 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		if run++; run >= n {
			n = run + 1
		}
	}
	return strings.Repeat("`", n)
}
