package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// fewNamed is how many domains a line of a check names; more are counted.
const fewNamed = 3

// alikeChecks puts together what fails for many domains with one code; the first one's words stand for all.
func alikeChecks(all []report.Check) (out []report.Check) {
	type key struct {
		part, name, what string
		code             codes.Code
	}
	of := func(c report.Check) key {
		if c.Problem == nil || c.Problem.Code == "" || len(c.Domains) == 0 {
			return key{}
		}
		return key{c.Part, c.Name, c.What, c.Problem.Code}
	}
	times, at := map[key]int{}, map[key]int{}
	for _, c := range all {
		times[of(c)]++
	}
	for _, c := range all {
		k := of(c)
		i, known := at[k]
		if k == (key{}) || times[k] <= fewNamed || !known {
			i, out = len(out), append(out, c)
			at[k] = i
			continue
		}
		out[i].Domains = append(slices.Clip(out[i].Domains), c.Domains...)
	}
	return out
}

// Preflight writes what a preflight found: one line for each thing that was asked, and below it what to do.
// needed is what needs it.
func Preflight(t Text, doc report.CheckDocument, needed string) {
	w := t.W
	for _, c := range alikeChecks(doc.Checks) {
		label := fmt.Sprintf("%-7s", c.Result)
		if c.Problem != nil {
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
		report.Count(doc.Summary.Failed+doc.Summary.Refused, "problem"), needed)
}
