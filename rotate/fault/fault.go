// Package fault is the vocabulary in which every room says what went wrong:
// which object was touched, what was attempted, whether trying again can help,
// and what a person should do next.
//
// It is a leaf: every room may import it, and it imports rotate/codes and the
// standard library. A fault never carries a secret or a stack trace (invariant I9).
package fault

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
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

// String returns the kind as logs name it.
func (k Kind) String() string {
	switch k {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case Refused:
		return "refused"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Error is an error that an operator can act upon.
type Error struct {
	Kind Kind
	Code codes.Code // a constant word for scripts, such as "foreign-record"; may be empty
	What string     // the object and the attempt: "publish s1._domainkey.example.com through provider office"
	Hint string     // what to do next, as a sentence without a full stop; may be empty
	Err  error      // the cause; may be nil
}

// Error renders the attempt and its cause; the hint is kept apart for the
// command line to show on a line of its own.
func (e *Error) Error() string {
	if e.Err == nil {
		return bounded(e.What)
	}
	return bounded(fmt.Sprintf("%s: %v", e.What, e.Err))
}

// maxText bounds what one error says, in octets: DNS, a provider or a program may answer as much as
// it likes, and the text goes into notices, logs and the state.
const maxText = 4 << 10

// Text returns what err says, cut in the middle where it is very long.
func Text(err error) string { return bounded(err.Error()) }

func bounded(s string) string {
	const begin, end = maxText * 3 / 4, maxText / 8
	if len(s) <= maxText {
		return s
	}
	return fmt.Sprintf("%s ... (%d octets are left out) ... %s",
		strings.ToValidUTF8(s[:begin], ""), len(s)-begin-end, strings.ToValidUTF8(s[len(s)-end:], ""))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports an error that trying again later can cure by itself.
func Temporary(what string, err error, hint string) error {
	return &Error{Kind: Transient, What: what, Err: err, Hint: hint}
}

// RunAgain is the hint where the program was asked to stop, or its time ran out.
const RunAgain = "run it again; it was interrupted, or its time ran out"

// Interrupted reports what was not done because a context ended; err is its cause.
func Interrupted(what string, err error) error { return Temporary(what, err, RunAgain) }

// Lasting reports an error that stays until a person acts.
func Lasting(what string, err error, hint string) error {
	return &Error{Kind: Permanent, What: what, Err: err, Hint: hint}
}

// Refuse reports a step that the named safety rule forbids.
func Refuse(code codes.Code, what, hint string) error {
	return &Error{Kind: Refused, Code: code, What: what, Hint: hint}
}

// UnlessTransient returns err, and nil where it may pass by itself.
func UnlessTransient(err error) error {
	if err == nil || KindOf(err) == Transient {
		return nil
	}
	return err
}

// KindOf returns the kind of the outermost fault in err's tree. Where several are
// joined side by side and differ, the whole is Permanent: trying again can't cure
// all of it, and not all of it was refused. An error that holds no fault counts as
// Transient: not knowing better, trying again is safe, because every step is
// idempotent.
func KindOf(err error) Kind {
	kind, found := Transient, false
	walk(err, func(e *Error) visit {
		if found && e.Kind != kind {
			kind = Permanent
			return stop
		}
		kind, found = e.Kind, true
		return skip
	})
	return kind
}

// HintOf returns the first hint in err's tree, from the outside in, or "".
func HintOf(err error) string {
	return first(err, func(e *Error) string { return e.Hint })
}

// CodeOf returns the first code in err's tree, from the outside in, or "".
func CodeOf(err error) codes.Code {
	return first(err, func(e *Error) codes.Code { return e.Code })
}

func first[T ~string](err error, get func(*Error) T) (found T) {
	walk(err, func(e *Error) visit {
		if found = get(e); found != "" {
			return stop
		}
		return descend
	})
	return found
}

// visit says how walk continues after a fault.
type visit int

const (
	descend visit = iota // into its cause
	skip                 // past its cause
	stop
)

// walk calls see for the faults in err's tree, the outer before the inner and
// joined ones in their order, until see says stop. Unlike errors.As it also comes
// to the second of two that are joined.
func walk(err error, see func(*Error) visit) (stopped bool) {
	if e, ok := err.(*Error); ok {
		if e == nil {
			return false
		}
		if next := see(e); next != descend {
			return next == stop
		}
	}
	switch x := err.(type) {
	case interface{ Unwrap() error }:
		return walk(x.Unwrap(), see)
	case interface{ Unwrap() []error }:
		for _, one := range x.Unwrap() {
			if walk(one, see) {
				return true
			}
		}
	}
	return false
}
