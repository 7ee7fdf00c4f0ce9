package master

import (
	"errors"
	"strings"
)

// Span is a part of a text: from start up to, not including, end.
type Span struct{ Start, End int }

// Of returns that part of a text.
func (s Span) Of(text string) string { return text[s.Start:s.End] }

// entry is one entry of a zone file, RFC 1035 section 5.1: a directive or a
// record, on one line or over several in parentheses.
type entry struct {
	line     int    // the number of its first line
	indented bool   // begins with white space: the owner is left out
	Tokens   []Span // without parentheses, white space and comments; never empty
}

// Outline is the layout of a text, without what it means: its entries, and the
// comments that fill a line outside any entry.
type Outline struct {
	Entries  []entry
	Comments []Span // with the line end
}

// Scan finds entries and comment lines. It knows quoting, escapes, parentheses
// and comments, as name servers do; parentheses and quotes left open are errors.
// A quoted string may go over lines, as in NSD.
func Scan(text string) (Outline, error) {
	var out Outline
	for i, line := 0, 1; i < len(text); {
		if text[i] == ';' {
			end := commentEnd(text, i)
			out.Comments = append(out.Comments, Span{i, end})
			i, line = end, line+1
			continue
		}
		e, end, err := scanEntry(text, i)
		if err != nil {
			return out, flawAt(line, err)
		}
		if e.line = line; len(e.Tokens) > 0 {
			out.Entries = append(out.Entries, e)
		}
		line += countLines(text[i:end])
		i = end
	}
	return out, nil
}

// scanEntry reads one entry that begins at i, the start of a line, and returns
// where the next line begins.
func scanEntry(text string, i int) (e entry, end int, err error) {
	e.indented = isBlank(text[i])
	depth := 0
	for i < len(text) {
		switch c := text[i]; {
		case c == ';':
			if i = commentEnd(text, i); depth == 0 {
				return e, i, nil
			}
		case isLineEnd(c):
			if i = lineEnd(text, i); depth == 0 {
				return e, i, nil
			}
		case c == '(':
			depth++
			i++
		case c == ')' && depth == 0:
			return e, i, errors.New("a closing parenthesis without an opening one")
		case c == ')':
			depth--
			i++
		case isBlank(c):
			i++
		default:
			end, err := tokenEnd(text, i)
			if err != nil {
				return e, i, err
			}
			e.Tokens = append(e.Tokens, Span{i, end})
			i = end
		}
	}
	if depth > 0 {
		return e, i, errors.New("an opening parenthesis without a closing one")
	}
	return e, i, nil
}

// tokenEnd returns where the token that begins at i ends.
func tokenEnd(text string, i int) (int, error) {
	quoted := text[i] == '"'
	if quoted {
		i++
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			if i++; i == len(text) || !quoted && isLineEnd(text[i]) {
				return i, errors.New("a backslash at the end of a line")
			}
		case quoted && c == '"':
			return i + 1, nil
		case !quoted && (isBlank(c) || strings.IndexByte("\r\n;()\"", c) >= 0):
			return i, nil
		}
	}
	if quoted {
		return i, errors.New("a quoted string without an end")
	}
	return i, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// A line ends with a line feed, or with a carriage return and whatever follows it:
// BIND and NSD read files of all three conventions.
func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }

// commentEnd returns where the line after the comment at i begins: a carriage
// return alone ends no comment.
func commentEnd(text string, i int) int {
	if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(text)
}

// lineEnd returns where the line after the one at i begins.
func lineEnd(text string, i int) int {
	n := strings.IndexAny(text[i:], "\r\n")
	if n < 0 {
		return len(text)
	}
	if i += n + 1; text[i-1] == '\r' && i < len(text) && text[i] == '\n' {
		i++
	}
	return i
}

// countLines returns how many lines end in text.
func countLines(text string) int {
	return strings.Count(text, "\n") + strings.Count(text, "\r") - strings.Count(text, "\r\n")
}
