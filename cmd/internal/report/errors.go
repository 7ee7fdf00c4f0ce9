package report

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// ErrorDocument is what every command with --json prints when it could not do
// what its own document would report.
type ErrorDocument struct {
	FormatVersion int         `json:"format_version"`
	Error         ErrorDetail `json:"error"`
}

// ErrorDetail is a Problem, with all that is wrong where that is the configuration.
type ErrorDetail struct {
	Problem
	Configuration []ConfigurationError `json:"configuration,omitempty"`
}

// ConfigurationError is one thing that is wrong with the configuration.
type ConfigurationError struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// NewError makes the document of an error. code is used where the error has none itself.
func NewError(err error, code codes.Code) ErrorDocument {
	doc := ErrorDocument{FormatVersion, ErrorDetail{Problem: *NewProblem(err)}}
	if doc.Error.Code == "" {
		doc.Error.Code = code
	}
	return doc
}

// NewConfigurationError makes the document of everything that is wrong with a configuration.
func NewConfigurationError(errs []Mistake) ErrorDocument {
	doc := ErrorDocument{FormatVersion, ErrorDetail{Problem: Problem{Kind: "permanent", Code: codes.Configuration,
		Message: fmt.Sprintf("%s in the configuration; nothing was done", Count(len(errs), "error")),
		Hint:    "correct what is listed under configuration"}}}
	for _, e := range errs {
		doc.Error.Configuration = append(doc.Error.Configuration,
			ConfigurationError{e.File, e.Line, e.Path, e.Problem, e.Remedy})
	}
	return doc
}
