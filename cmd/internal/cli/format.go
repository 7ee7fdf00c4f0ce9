package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

// The forms that plans are printed in.
const (
	formText     = "text"
	formMarkdown = "markdown"
	formJSON     = "json"
)

// formPrometheus is for status only.
const formPrometheus = "prometheus"

// statusForm returns the form of a status that the flags ask for.
func (p *program) statusForm(cmd *cobra.Command, form string) (string, error) {
	switch form {
	case formText, formJSON, formPrometheus:
	default:
		return "", errors.New("--format " + form + " is unknown: use text, json or prometheus")
	}
	if p.json && form != formJSON && cmd.Flags().Changed("format") {
		return "", errors.New("--json and --format " + form + " contradict each other")
	}
	if p.json {
		return formJSON, nil
	}
	return form, nil
}

// formFlag gives a command that prints plans --format beside --json.
func (p *program) formFlag(cmd *cobra.Command, form *string) {
	cmd.Flags().StringVar(form, "format", formText,
		"print it as `FORM`: text, markdown (for a pull request or ticket) or json")
	p.jsonFlag(cmd)
}

// allFlag gives a command that prints plans --all.
func allFlag(cmd *cobra.Command, whole *bool) {
	cmd.Flags().BoolVar(whole, "all", false,
		"show each domain by itself; of more than five, those with the same steps are one group else")
}

// form returns the form that the flags ask for.
func (p *program) form(cmd *cobra.Command, form string) (string, error) {
	switch form {
	case formText, formMarkdown, formJSON:
	default:
		return "", &usageError{error: errors.New("--format " + form + " is unknown: use text, markdown or json"),
			command: cmd.CommandPath()}
	}
	if p.json && form != formJSON && cmd.Flags().Changed("format") {
		return "", &usageError{error: errors.New("--json and --format " + form + " contradict each other"),
			command: cmd.CommandPath()}
	}
	if p.json {
		return formJSON, nil
	}
	return form, nil
}
