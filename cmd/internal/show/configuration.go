package show

import (
	"fmt"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
)

// ValidationDocument is `validate --json`.
type ValidationDocument struct {
	FormatVersion int            `json:"format_version"`
	File          string         `json:"file"`
	Valid         bool           `json:"valid"`
	Domains       int            `json:"domains"`
	Errors        []config.Error `json:"errors"`
	Warnings      []config.Error `json:"warnings"`
}

// NewValidation makes the document of a check; cfg is nil when there are errors.
func NewValidation(file string, cfg *config.Config, errs config.Errors) ValidationDocument {
	doc := ValidationDocument{FormatVersion: FormatVersion, File: file, Valid: len(errs) == 0, Errors: append([]config.Error{}, errs...), Warnings: []config.Error{}}
	if cfg != nil {
		doc.Domains = len(cfg.Domains)
		doc.Warnings = append(doc.Warnings, cfg.Warnings...)
	}
	return doc
}

// Configuration writes everything that is wrong with a configuration.
func (t Text) Configuration(errs config.Errors) {
	for _, e := range errs {
		t.configuration(t.red("error:"), e)
	}
	fmt.Fprintf(t.W, "%s in the configuration; nothing was done.\n", Count(len(errs), "error"))
}

// ConfigurationWarnings writes what is allowed and yet probably not meant.
func (t Text) ConfigurationWarnings(warnings []config.Error) {
	for _, w := range warnings {
		t.configuration(t.yellow("warning:"), w)
	}
}

func (t Text) configuration(label string, e config.Error) {
	where := fmt.Sprintf("%s:%d", e.File, e.Line)
	if e.Path != "" {
		where += ": " + e.Path
	}
	fmt.Fprintf(t.W, "%s %s: %s\n", label, where, e.Problem)
	if e.Remedy != "" {
		fmt.Fprintf(t.W, "%s %s\n", t.yellow("hint:"), e.Remedy)
	}
}

// Count names n things: "1 domain", "2 domains".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
