package finding

import (
	"errors"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Thing is what a finding, a warning or an error is about. The zero Thing is about nothing
// that others could be about, too.
type Thing struct {
	Kind     ThingKind `json:"kind,omitempty"`
	Selector string    `json:"selector,omitempty"`
	Signer   string    `json:"signer,omitempty"`
}

// ThingKind says of which kind a Thing is.
type ThingKind string

const (
	TheRecord   ThingKind = "record"   // a selector's record in DNS
	TheKey      ThingKind = "key"      // a selector's private key in the keystore
	TheSigner   ThingKind = "signer"   // a signer, and what it signs with
	TheAccount  ThingKind = "account"  // what a DNS account holds that is not listed any more
	TheExposure ThingKind = "exposure" // that a compromised key stays in use at the selector
)

// ThingError is an error that says what is wrong with a thing.
type ThingError struct {
	Err   error
	About Thing
}

// WithThing returns err, which may be nil, as what is wrong with a thing.
func WithThing(about Thing, err error) error {
	if err == nil {
		return nil
	}
	return &ThingError{Err: err, About: about}
}

// Error says what the error says.
func (t *ThingError) Error() string { return t.Err.Error() }

// Unwrap returns the error.
func (t *ThingError) Unwrap() error { return t.Err }

// says reports whether the error says what the finding does.
func (t *ThingError) says(f Finding) bool {
	return t.About == f.Thing() || f.Cause != "" && f.Cause == fault.CodeOf(t.Err) && f.Selector == t.About.Selector
}

// Is reports whether err says what the finding does, and nothing more.
func (f Finding) Is(err error) bool {
	t, ok := err.(*ThingError)
	return ok && t.says(f)
}

// CoveredBy reports whether err, or a part of it, says what the finding does.
func (f Finding) CoveredBy(err error) bool {
	return anyThing(err, func(t *ThingError) bool { return t.says(f) })
}

// Things returns what err and its parts are about.
func Things(err error) (out []Thing) {
	anyThing(err, func(t *ThingError) bool { out = append(out, t.About); return false })
	return out
}

// Concerns reports whether err, or a part of it, is about such a thing.
func Concerns(kind ThingKind, err error) bool {
	return anyThing(err, func(t *ThingError) bool { return t.About.Kind == kind })
}

// Without returns err without those of its parts that are about such a thing and have no cause of their own; nil where
// nothing is left.
func Without(kind ThingKind, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var left []error
		for _, part := range joined.Unwrap() {
			left = append(left, Without(kind, part))
		}
		return errors.Join(left...)
	}
	f := (*fault.Error)(nil)
	if t, ok := err.(*ThingError); ok && t.About.Kind == kind && errors.As(err, &f) && f.Err == nil {
		return nil
	}
	return err
}

func anyThing(err error, is func(*ThingError) bool) bool {
	if t, ok := err.(*ThingError); ok && is(t) {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return anyThing(e.Unwrap(), is)
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if anyThing(part, is) {
				return true
			}
		}
	}
	return false
}

// Warning is something that an operator should look at. Warnings are known as one by their code and by
// what they are about.
type Warning struct {
	Code    codes.Code // "" in plans that an older version saved
	Message string
	About   Thing // its kind is set where a finding says the same, or where a compromised key stays in use
}

// Texts returns what the warnings say.
func Texts(warnings []Warning) (out []string) {
	for _, w := range warnings {
		out = append(out, w.Message)
	}
	return out
}
