package show

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// drift writes what is not as it should be, since when, and what is done about it,
// and the warnings that it does not hold. What err says already is left out.
func (t Text) drift(found []finding.Finding, err error, warnings []finding.Warning) {
	found, warnings = unsaid(found, err, warnings)
	for _, f := range found {
		t.finding(f)
	}
	t.warnings(finding.Texts(warnings))
}

// unsaid leaves out the findings that err or another finding says, and the warnings that a finding does.
func unsaid(found []finding.Finding, err error,
	warnings []finding.Warning) (left []finding.Finding, more []finding.Warning) {
	said := map[finding.Thing]bool{}
	for i, f := range found {
		one := func(other finding.Finding) bool {
			return f.Cause != "" && f.Cause == other.Cause && f.Selector == other.Selector || f.SaidBy(other)
		}
		if !slices.ContainsFunc(found[:i], one) && !f.CoveredBy(err) {
			left = append(left, f)
		}
		said[f.Thing()] = true
	}
	for _, w := range warnings {
		if !said[w.About] {
			more = append(more, w)
		}
	}
	return left, more
}

// drift writes the same for a ticket.
func (m Markdown) drift(p rotate.DomainPlan) {
	found, warnings := unsaid(p.Drift, p.Stop, p.Warnings)
	for _, f := range found {
		message := f.Message
		if !f.Since.IsZero() {
			message += "; since " + screen.Day(f.Since)
		}
		whose := "dkimbot:"
		if f.Asks {
			whose = "to do:"
		}
		m.line("**Drift:** %s. **%s** %s.", escape(message), whose, escape(f.Repair))
	}
	for _, w := range warnings {
		m.line("**Warning:** %s", escape(w.Message))
	}
}

// finding writes one of them.
func (t Text) finding(f finding.Finding) {
	message := f.Message
	if !f.Since.IsZero() {
		message += "; since " + t.At(f.Since)
	}
	fmt.Fprintf(t.W, "  %s %s\n", t.Yellow("drift"), screen.Lines(message, "        "))
	repair := f.Repair
	if f.Asks {
		repair = t.Yellow("to do:") + " " + repair
	}
	t.Line("  ", "", repair)
}
