package master

import (
	"errors"
	"fmt"
)

// Flaw is something in a zone file, or in one that it includes, that can't be read.
type Flaw struct {
	File   string // "" is the zone file itself
	Line   int    // from 1; 0 is the whole file
	Reason string
	Remedy string // the way out where it is not in the file's text; else ""
}

// Error says where the flaw is and what it is.
func (f *Flaw) Error() string {
	switch {
	case f.File != "":
		return fmt.Sprintf("included file %s, line %d: %s", f.File, f.Line, f.Reason)
	case f.Line > 0:
		return fmt.Sprintf("line %d: %s", f.Line, f.Reason)
	}
	return f.Reason
}

func flawAt(line int, err error) *Flaw { return &Flaw{Line: line, Reason: err.Error()} }

// quoting is an error that quotes text of a file.
type quoting struct {
	what string // says what is wrong without the text
	text string
}

func (q *quoting) Error() string { return q.what + ": " + q.text }

// quote returns an error about a piece of a file's text.
func quote(what, text string) error { return &quoting{what, fmt.Sprintf("%.100q", text)} }

// discreet returns what is wrong without any text of the file: a zone file may
// include any file, also one that holds secrets (invariant I9).
func discreet(err error) string {
	var q *quoting
	if errors.As(err, &q) {
		return q.what
	}
	return err.Error()
}
