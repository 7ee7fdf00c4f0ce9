package settings

import (
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// Settings are what can be configured about one driver: a struct that its driver reads, and
// its fields, each bound to a part of the struct.
type Settings interface {
	// Fields returns the keys in the order in which they are read.
	Fields() []Field
}

// Ruled is implemented by Settings that have rules about several keys together.
type Ruled interface {
	// Rules returns what is wrong, or probably not meant, although each key is right by itself.
	Rules() []*Problem
}

// Field is one key of the configuration.
type Field struct {
	Key     string
	Meaning string // for the reference page, as a sentence without a full stop
	// Into is where the value goes, and holds the default before: a *string, *bool, *int, *float64,
	// *time.Duration, *Secret, for a command, a program and its arguments, a *[]string, or something
	// that reads the value itself. nil for a key that is read in another way, such as a group of keys.
	Into    any
	Default string // for the reference page, where Into does not say; "" for none

	Need     string        // what to write when the key is missing; "" when it may be left out
	Choices  []string      // the words that a text can be; nil for any
	Form     Form          // what a text must look like
	Check    Rule          // of the text of a secret; nil for none
	Shortest time.Duration // for a duration
	Span     SpanRule      // of a duration; nil for none
	Least    float64       // for a number
	Most     float64       // for a number
	Blank    bool          // an empty text is allowed: it stands for none
	Variable string        // the environment variable that counts when the key is left out; "" for none
	Later    bool          // for a secret: some work can be done before it can be read

	Claim func() *Claim // what the value takes for itself alone; nil for nothing
}

// Form is what a text must look like. The zero Form is any text.
type Form struct {
	Name string // for the reference page: "path"
	// Parse returns the text in normal form, in which it parses again, to the same.
	Parse func(text string, at Place) (string, *Problem)
}

// Rule says what is wrong with a text; nil for nothing. It never quotes a secret.
type Rule func(text string) *Problem

// SpanRule says what is wrong with a duration; nil for nothing.
type SpanRule func(time.Duration) *Problem

// Problem is a rule that is broken.
type Problem struct {
	Keys    []string // the first of them that stands in the configuration is named
	Text    string   // after the key: "is not a path"
	Remedy  string   // what to write instead
	Warning bool     // allowed, and yet probably not meant
}

// Wrong returns a Problem of the keys; none where the one is known that broke the rule.
func Wrong(text, remedy string, keys ...string) *Problem {
	return &Problem{Keys: keys, Text: text, Remedy: remedy}
}

// Error names the key and what is wrong with it.
func (p *Problem) Error() string {
	if len(p.Keys) == 0 {
		return p.Text
	}
	return p.Keys[0] + ": " + p.Text
}

// Type says in words what stands at the key, for the reference page.
func (f Field) Type() string {
	switch f.Into.(type) {
	case *bool:
		return "true or false"
	case *int, *float64:
		return "number"
	case *time.Duration:
		return "duration"
	case *[]string:
		return "command"
	case *Secret:
		return "secret"
	}
	switch {
	case len(f.Choices) > 0:
		return "one of " + strings.Join(f.Choices, ", ")
	case f.Form.Name != "":
		return f.Form.Name
	}
	return "text"
}

// Usual returns the value that counts when the key is left out, for the reference page; "" for none.
func (f Field) Usual() string {
	if f.Default != "" {
		return f.Default
	}
	switch into := f.Into.(type) {
	case *string:
		return *into
	case *bool:
		return strconv.FormatBool(*into)
	case *time.Duration:
		if *into != 0 {
			return Brief(*into)
		}
	}
	return ""
}

// Ways returns the keys by which the field can be given: a secret has three.
func (f Field) Ways() []string {
	if _, secret := f.Into.(*Secret); secret {
		return []string{f.Key + "_file", f.Key + "_env", f.Key}
	}
	return []string{f.Key}
}

// Brief writes d as all output does, in a form that the configuration takes: 7d, not 168h0m0s.
func Brief(d time.Duration) string {
	if d < 0 {
		return "-" + calendar.Span(-d)
	}
	return calendar.Span(d)
}
