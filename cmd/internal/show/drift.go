package show

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
)

// drift writes what is not as it should be, since when, and what is done about it,
// and the warnings that it does not hold. What err says already is left out.
func (t Text) drift(found []rotate.Finding, err error, warnings []string) {
	found, warnings = untold(found, err, warnings)
	for _, f := range found {
		t.finding(f)
	}
	t.warnings(warnings)
}

// untold leaves out the findings that err or another finding tells, and the warnings that a finding does.
func untold(found []rotate.Finding, err error, warnings []string) (left []rotate.Finding, more []string) {
	told := map[string]bool{}
	for _, f := range found {
		if !told[f.Message] && (err == nil || !strings.Contains(err.Error(), f.Message)) {
			left = append(left, f)
		}
		told[f.Message] = true
	}
	for _, w := range warnings {
		if !told[w] {
			more = append(more, w)
		}
	}
	return left, more
}

// drift writes the same for a ticket.
func (m Markdown) drift(p rotate.DomainPlan) {
	found, warnings := untold(p.Drift, p.Stop, p.Warnings)
	for _, f := range found {
		message := f.Message
		if !f.Since.IsZero() {
			message += "; since " + day(f.Since)
		}
		whose := "dkimbot:"
		if f.Asks {
			whose = "to do:"
		}
		m.line("**Drift:** %s. **%s** %s.", escape(message), whose, escape(f.Repair))
	}
	for _, w := range warnings {
		m.line("**Warning:** %s", escape(w))
	}
}

// finding writes one of them.
func (t Text) finding(f rotate.Finding) {
	message := f.Message
	if !f.Since.IsZero() {
		message += "; since " + t.at(f.Since)
	}
	fmt.Fprintf(t.W, "  %s %s\n", t.yellow("drift"), lines(message, "        "))
	repair := f.Repair
	if f.Asks {
		repair = t.yellow("to do:") + " " + repair
	}
	t.line("  ", "", repair)
}
