package report

import "fmt"

// Mistake is one thing that is wrong with the configuration, or that is probably not meant.
type Mistake struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1
	Path    string `json:"path,omitempty"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

// ValidationDocument is `validate --json`.
type ValidationDocument struct {
	FormatVersion int       `json:"format_version"`
	File          string    `json:"file"`
	Valid         bool      `json:"valid"`
	Domains       int       `json:"domains"`
	Errors        []Mistake `json:"errors"`
	Warnings      []Mistake `json:"warnings"`
}

// NewValidation makes the document of a check. Where there are errors, the number of domains may be
// unknown: 0.
func NewValidation(file string, domains int, errs, warnings []Mistake) ValidationDocument {
	return ValidationDocument{FormatVersion: FormatVersion, File: file, Valid: len(errs) == 0, Domains: domains,
		Errors: append([]Mistake{}, errs...), Warnings: append([]Mistake{}, warnings...)}
}

// Count names n things: "1 domain", "2 domains".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
