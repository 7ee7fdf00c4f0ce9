// Package fault is the vocabulary in which every room tells what went wrong:
// which object was touched, what was attempted, whether trying again can help,
// and what a person should do next.
//
// It is a leaf: every room may import it and it imports only the standard
// library. A fault never carries a secret or a stack trace (invariant I9).
package fault

import (
	"errors"
	"fmt"
)

// Kind says whether, and how, an error can go away.
type Kind int

const (
	// Permanent errors stay until a person changes something.
	Permanent Kind = iota
	// Transient errors can go away by themselves: trying again later helps.
	Transient
	// Refused means that a safety rule forbids the step; nothing was changed.
	Refused
)

// Error is an error that an operator can act upon.
type Error struct {
	Kind Kind
	Code string // a constant word for scripts, such as "foreign-record"; may be empty
	What string // the object and the attempt: "publish s1._domainkey.example.com through provider office"
	Hint string // what to do next, as a sentence without a full stop; may be empty
	Err  error  // the cause; may be nil
}

// Error renders the attempt and its cause; the hint is kept apart for the
// command line to show on a line of its own.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.What
	}
	return fmt.Sprintf("%s: %v", e.What, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports an error that trying again later can cure by itself.
func Temporary(what string, err error, hint string) error {
	return &Error{Kind: Transient, What: what, Err: err, Hint: hint}
}

// Lasting reports an error that stays until a person acts.
func Lasting(what string, err error, hint string) error {
	return &Error{Kind: Permanent, What: what, Err: err, Hint: hint}
}

// Refuse reports a step that the named safety rule forbids.
func Refuse(code, what, hint string) error {
	return &Error{Kind: Refused, Code: code, What: what, Hint: hint}
}

// KindOf returns the kind of the outermost fault in err's chain. An error that
// is no fault counts as Transient: not knowing better, trying again is safe,
// because every step is idempotent.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Transient
}

// HintOf returns the first hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// CodeOf returns the first code in err's chain, or "".
func CodeOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Code != "" {
			return e.Code
		}
		err = e.Err
	}
	return ""
}
