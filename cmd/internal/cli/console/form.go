package console

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The forms that commands print in.
const (
	FormText       = "text"
	FormMarkdown   = "markdown"
	FormJSON       = "json"
	FormPrometheus = "prometheus" // for status only
)

// PlanForms are those that plans are printed in.
var PlanForms = []string{FormText, FormMarkdown, FormJSON}

// StatusForms are those that a status is printed in.
var StatusForms = []string{FormText, FormJSON, FormPrometheus}

// FormFlag gives a command that prints plans --format beside --json.
func (p *Program) FormFlag(cmd *cobra.Command, form *string) {
	cmd.Flags().StringVar(form, "format", FormText,
		"print it as `FORM`: text, markdown (for a pull request or ticket) or json")
	p.JSONFlag(cmd)
}

// AllFlag gives a command that prints plans --all.
func AllFlag(cmd *cobra.Command, whole *bool) {
	cmd.Flags().BoolVar(whole, "all", false,
		"show each domain by itself; without --all, more than five domains are grouped by their steps")
}

// Form returns the form that the flags ask for, which is one of those.
func (p *Program) Form(cmd *cobra.Command, form string, those []string) (string, error) {
	if !slices.Contains(those, form) {
		last := len(those) - 1
		return "", Wrong(cmd, errors.New("--format "+form+" is unknown: use "+
			strings.Join(those[:last], ", ")+" or "+those[last]))
	}
	if p.JSON && form != FormJSON && cmd.Flags().Changed("format") {
		return "", Wrong(cmd, errors.New("--json and --format "+form+" contradict each other"))
	}
	if p.JSON {
		return FormJSON, nil
	}
	return form, nil
}

// PlanForm returns the form of a dry run.
func (p *Program) PlanForm() string {
	if p.JSON {
		return FormJSON
	}
	return FormText
}
