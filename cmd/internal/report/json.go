package report

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
)

// EscapeJSON returns a JSON text that means the same and holds no character that a terminal
// obeys or that can't be seen: they are written as \u and a number.
func EscapeJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, unseen) {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) {
		switch high, low := utf16.EncodeRune(r); {
		case !unseen(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}

func unseen(r rune) bool { return (r < ' ' || r > '~') && !unicode.IsPrint(r) && r != '\n' }

// JSONWriter escapes JSON that is written in whole lines. See EscapeJSON.
type JSONWriter struct{ W io.Writer }

// Write implements io.Writer.
func (j JSONWriter) Write(b []byte) (int, error) {
	if _, err := j.W.Write(EscapeJSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}
