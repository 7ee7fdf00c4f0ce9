package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Secrets are the texts of a driver's secrets, each read once.
type Secrets map[*Secret]string

// Of returns the text of a secret of the Settings that it belongs to; "" where none is set.
func (s Secrets) Of(secret *Secret) string { return s[secret] }

// ReadSecrets reads the secrets that are set. The error is a lasting fault.
func ReadSecrets(of Settings) (Secrets, error) {
	texts := Secrets{}
	for _, f := range of.Fields() {
		if s, ok := f.Into.(*Secret); ok && s.IsSet() {
			text, err := s.Read()
			if err != nil {
				return nil, err
			}
			texts[s] = text
		}
	}
	return texts, nil
}

// Check reports everything that is wrong with settings, whoever filled them in, and brings
// their texts into normal form. Its error joins one *Problem for each mistake.
func Check(of Settings, secrets Secrets) error {
	var errs []error
	broken := map[string]bool{}
	for _, f := range of.Fields() {
		if p := f.check(secrets); p != nil {
			errs, broken[f.Key] = append(errs, Wrong(p.Text, p.Remedy, f.Key)), true
		}
	}
	if ruled, ok := of.(Ruled); ok {
		for _, p := range ruled.Rules() {
			if !p.Warning && !slices.ContainsFunc(p.Keys, func(key string) bool { return broken[key] }) {
				errs = append(errs, p)
			}
		}
	}
	return errors.Join(errs...)
}

// Remedy returns what to write instead, for all problems in an error of Check.
func Remedy(err error) string {
	var remedies []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if p := (*Problem)(nil); errors.As(one, &p) {
				remedies = append(remedies, p.Remedy)
			}
		}
	}
	return strings.Join(remedies, "; ")
}

// check reports what is wrong with the value that the field holds.
func (f Field) check(secrets Secrets) *Problem {
	switch into := f.Into.(type) {
	case *string:
		return f.checkText(into)
	case *time.Duration:
		if *into != 0 || f.Need != "" {
			return f.CheckDuration(*into)
		}
	case *int:
		return f.checkNumber(float64(*into))
	case *float64:
		return f.checkNumber(*into)
	case *[]string:
		return f.checkCommand(*into)
	case *Secret:
		switch {
		case into.IsSet() && f.Check != nil:
			return f.Check(secrets.Of(into))
		case !into.IsSet():
			return f.missing()
		}
	}
	return nil
}

// missing reports that there is no value, where one is needed.
func (f Field) missing() *Problem {
	if f.Need == "" {
		return nil
	}
	return Wrong("is missing", f.Need)
}

func (f Field) checkText(into *string) *Problem {
	if *into == "" {
		return f.missing()
	}
	text, p := f.ParseText(*into, Place{})
	if p == nil && text != *into {
		*into = text
	}
	return p
}

// ParseText returns a text in the field's normal form, or what is wrong with it.
func (f Field) ParseText(text string, at Place) (string, *Problem) {
	if f.Choices != nil && !slices.Contains(f.Choices, text) {
		problem, remedy := Unknown("value", text, f.Choices)
		return text, Wrong(problem, remedy)
	}
	if f.Form.Parse == nil {
		return text, nil
	}
	return f.Form.Parse(text, at)
}

// CheckDuration reports a duration that is too short, or breaks the field's rule.
func (f Field) CheckDuration(d time.Duration) *Problem {
	switch {
	case d < f.Shortest:
		return Wrong(Brief(d)+" is too short", "want at least "+Brief(f.Shortest))
	case f.Span != nil:
		return f.Span(d)
	}
	return nil
}

func (f Field) checkNumber(n float64) *Problem {
	if n == 0 || n >= f.Least && n <= f.Most {
		return nil
	}
	return Wrong(
		"is out of range",
		fmt.Sprintf("write a number from %g to %.0f, without quotes", f.Least, f.Most),
	)
}

func (f Field) checkCommand(words []string) *Problem {
	switch {
	case len(words) == 0:
		return f.missing()
	case words[0] == "":
		return Wrong("names no command", "write program and arguments: [systemctl, reload, opendkim]")
	}
	return nil
}
