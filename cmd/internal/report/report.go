// Package report holds the JSON documents of all commands, each once: they are the contract with
// scripts and dashboards. Text for people is made of them by package show.
package report

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// FormatVersion stands in every document. Readers ignore fields that they don't know.
const FormatVersion = 1

// Problem is an error in a document.
type Problem struct {
	Kind    string     `json:"kind"` // "transient", "permanent" or "refused"
	Code    codes.Code `json:"code,omitempty"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// NewProblem returns err as a document shows it, or nil.
func NewProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	if Interrupted(err) {
		return &Problem{Kind: "transient", Code: codes.Interrupted, Message: "interrupted between two steps; nothing is lost",
			Hint: "run the same command again to continue"}
	}
	return &Problem{Kind: fault.KindOf(err).String(), Code: fault.CodeOf(err), Message: fault.Text(err),
		Hint: fault.HintOf(err)}
}

// Err returns the error that the problem is, as far as a document says; nil for none.
func (p *Problem) Err() error {
	if p == nil {
		return nil
	}
	kind := fault.Permanent
	for _, k := range []fault.Kind{fault.Transient, fault.Refused} {
		if p.Kind == k.String() {
			kind = k
		}
	}
	return &fault.Error{Kind: kind, Code: p.Code, What: p.Message, Hint: p.Hint}
}

// next returns what comes next for a domain as documents show it.
func next(n *rotate.Next) *rotate.Next {
	if n == nil {
		return nil
	}
	out := *n
	out.At = n.At.UTC()
	return &out
}

// inUTC returns the events as documents show them.
func inUTC(events []rotate.Event) []rotate.Event {
	out := make([]rotate.Event, len(events))
	for i, e := range events {
		out[i] = e
		out[i].At = e.At.UTC()
	}
	return out
}

// JSON writes one document, indented, with a final newline.
func JSON(w io.Writer, doc any) error {
	e := json.NewEncoder(JSONWriter{w})
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// findings returns them as documents show them.
func findings(found []finding.Finding) []finding.Finding {
	out := make([]finding.Finding, len(found))
	for i, f := range found {
		out[i] = f
		if !f.Since.IsZero() {
			out[i].Since = f.Since.UTC().Truncate(time.Second)
		}
	}
	return out
}

// Interrupted reports that nothing failed: the run was asked to end.
func Interrupted(err error) bool {
	var f *fault.Error
	return errors.Is(err, context.Canceled) && !errors.As(err, &f)
}
