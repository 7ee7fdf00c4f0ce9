package planfile

import (
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// mostText is how long a text in a document may be; New cuts what is longer.
const mostText = 16 << 10

// seeable reports whether a character may stand in a document: those that a terminal
// or the direction of reading obeys, also line breaks, or that nobody sees, may not.
func seeable(r rune) bool { return unicode.IsGraphic(r) }

// text returns s as a document may hold it.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' ' // an error of several lines is read as well in one
		case !seeable(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if len(s) > mostText {
		s = strings.ToValidUTF8(s[:mostText-3], "") + "..."
	}
	return s
}

func reason(r rotate.Reason) rotate.Reason {
	return rotate.Reason{Code: codes.Code(text(string(r.Code))), Message: text(r.Message)}
}

func texts(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = text(s)
	}
	return out
}

// clean returns the document as it may be written: what comes from outside, such as a
// foreign record, is made readable.
func (doc Document) clean() Document {
	doc.Warnings = texts(doc.Warnings)
	for i := range doc.Domains {
		d := &doc.Domains[i]
		d.Reason, d.Warnings = reason(d.Reason), texts(d.Warnings)
		if p := d.Problem; p != nil {
			d.Problem = &report.Problem{Kind: p.Kind, Code: codes.Code(text(string(p.Code))), Message: text(p.Message),
				Hint: text(p.Hint)}
		}
		if d.Next != nil {
			d.Next.Reason = reason(d.Next.Reason)
		}
		for j := range d.Drift {
			f := &d.Drift[j]
			f.Message, f.Repair = text(f.Message), text(f.Repair)
		}
		for j := range d.Steps {
			s := &d.Steps[j]
			s.Target, s.Reason, s.Before, s.After = text(s.Target), reason(s.Reason), cleanFacts(s.Before), cleanFacts(s.After)
		}
		for name, s := range d.Preconditions.Signers {
			if !formed(s) {
				delete(d.Preconditions.Signers, name) // as if it had not been asked
			}
		}
	}
	return doc
}

func cleanFacts(facts map[string]string) map[string]string {
	out := map[string]string{}
	for name, v := range facts {
		out[name] = text(v)
	}
	return out
}
