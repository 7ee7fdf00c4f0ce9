package show

import (
	"fmt"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
)

// Configuration writes everything that is wrong with a configuration.
func (t Text) Configuration(errs []report.Mistake) {
	for _, e := range errs {
		t.configuration(t.Red("error:"), e)
	}
	fmt.Fprintf(t.W, "%s in the configuration; nothing was done.\n", report.Count(len(errs), "error"))
}

// ConfigurationWarnings writes what is allowed and yet probably not meant; of many with one cause, the first.
func (t Text) ConfigurationWarnings(warnings []report.Mistake) {
	for _, w := range report.Together(warnings) {
		t.configuration(t.Yellow("warning:"), w)
	}
}

func (t Text) configuration(label string, e report.Mistake) {
	where := fmt.Sprintf("%s:%d", e.File, e.Line)
	if e.Path != "" {
		where += ": " + e.Path
	}
	fmt.Fprintf(t.W, "%s %s: %s\n", label, where, e.Problem)
	if e.Remedy != "" {
		fmt.Fprintf(t.W, "%s %s\n", t.Yellow("hint:"), e.Remedy)
	}
}
