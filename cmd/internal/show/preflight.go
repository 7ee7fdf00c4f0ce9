package show

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
)

// fewNamed is how many domains a line of a check names; more are counted.
const fewNamed = 3

// Preflight writes what a preflight found: one line for each thing that was asked, and below it what to do. What
// many domains fail for, for one cause, is one line and one problem.
// needed is what needs it.
func Preflight(t Text, doc report.CheckDocument, needed string) {
	w, problems := t.W, 0
	for _, c := range report.AlikeChecks(doc.Checks) {
		label := fmt.Sprintf("%-7s", c.Result)
		if c.Problem != nil {
			problems++
			label = t.Bold(label)
		}
		line := fmt.Sprintf("%s %s: %s", c.Part, c.Name, c.What)
		switch n := len(c.Domains); {
		case n > fewNamed:
			line += fmt.Sprintf(" (%d domains)", n)
		case n > 0:
			line += " (" + strings.Join(c.Domains, ", ") + ")"
		}
		if c.Problem != nil {
			line += ": " + c.Problem.Message
		} else if c.Found != "" {
			line += ": " + c.Found
		}
		fmt.Fprintln(w, label, screen.Visible(line))
		if c.Problem != nil && c.Problem.Hint != "" {
			fmt.Fprintln(w, "        hint:", screen.Visible(c.Problem.Hint))
		}
	}
	if doc.Ready {
		fmt.Fprintf(w, "Everything that was asked is as %s needs it.\n", needed)
		return
	}
	fmt.Fprintf(w, "%s would keep %s, or a notice of it, from succeeding.\n",
		report.Count(problems, "problem"), needed)
}
