package report

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
	doc := ValidationDocument{FormatVersion: FormatVersion, File: file, Valid: len(errs) == 0,
		Errors: append([]config.Error{}, errs...), Warnings: []config.Error{}}
	if cfg != nil {
		doc.Domains = len(cfg.Domains)
		doc.Warnings = append(doc.Warnings, cfg.Warnings...)
	}
	return doc
}

// Count names n things: "1 domain", "2 domains".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
