// Package show renders what dkimbot found and did: JSON documents for programs
// and text for people. It may import everything below cmd, and writes to nothing
// but the writer that it is given.
package show

import (
	"encoding/json"
	"io"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// FormatVersion stands in every document. Readers ignore fields that they don't know.
const FormatVersion = 1

// Reason is why, as a constant code and a sentence.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Problem is an error in a document.
type Problem struct {
	Kind    string `json:"kind"` // "transient", "permanent" or "refused"
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// NewProblem returns err as a document shows it, or nil.
func NewProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	if interrupted(err) {
		return &Problem{Kind: "transient", Code: "interrupted", Message: "interrupted between two steps; nothing is lost", Hint: "run the same command again to go on"}
	}
	return &Problem{Kind: fault.KindOf(err).String(), Code: fault.CodeOf(err), Message: fault.Text(err), Hint: fault.HintOf(err)}
}

// Next is what comes next for a domain.
type Next struct {
	Action   string    `json:"action"`
	Selector string    `json:"selector,omitempty"`
	At       time.Time `json:"at"`
	Reason   Reason    `json:"reason"`
}

func newNext(n *rotate.Next) *Next {
	if n == nil {
		return nil
	}
	return &Next{n.Action, n.Selector, n.At.UTC(), Reason(n.Reason)}
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
