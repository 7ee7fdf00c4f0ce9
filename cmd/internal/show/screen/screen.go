// Package screen is where people read: what goes there is made visible and harmless, folded and coloured.
package screen

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Screen is where people read: a terminal, or a file that is shown on one later. It is the one
// place through which everything goes, whatever its source, and lets no character through that
// a terminal obeys, that can't be seen or that turns the direction of reading. The program's own
// colours carry a mark that no text from outside can know.
type Screen struct {
	w    io.Writer
	mark []byte
	mu   sync.Mutex
	rest []byte // the begin of a letter whose end comes with the next write
}

// NewMark returns what tells the program's own colours from others. See Screen and Pen.
func NewMark() string { return "\x1b" + rand.Text() }

// New returns a Screen on w that lets colours with the mark through.
func New(w io.Writer, mark string) *Screen { return &Screen{w: w, mark: []byte(mark)} }

// Write implements io.Writer.
func (s *Screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.rest, b...)
	whole := wholeLetters(all)
	s.rest = bytes.Clone(all[whole:])
	var out bytes.Buffer
	for i, part := range bytes.Split(all[:whole], s.mark) {
		if i > 0 {
			part = colour(&out, part)
		}
		neutral(&out, part)
	}
	if _, err := s.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// wholeLetters is how much of b does not end amid a letter.
func wholeLetters(b []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if at := len(b) - back; utf8.RuneStart(b[at]) {
			if !utf8.FullRune(b[at:]) {
				return at
			}
			break
		}
	}
	return len(b)
}

// colour writes the colour that stands behind a mark and returns what follows it.
func colour(out *bytes.Buffer, part []byte) []byte {
	code, rest, ok := bytes.Cut(part, []byte("m"))
	if !ok || len(code) > 2 || len(bytes.Trim(code, "0123456789")) > 0 {
		return part
	}
	fmt.Fprintf(out, "\x1b[%sm", code)
	return rest
}

func neutral(out *bytes.Buffer, text []byte) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == '\n' || r == '\t' {
			out.WriteRune(r)
		} else {
			out.WriteRune(seen(r))
		}
		text = text[size:]
	}
}

// seen returns r, or what is seen in its place.
func seen(r rune) rune {
	switch {
	case unicode.IsPrint(r):
		return r
	case unicode.IsSpace(r) && r != '\u2028' && r != '\u2029' && r != '\u0085':
		return ' '
	}
	return unicode.ReplacementChar
}

// Visible puts s on one line, without characters that can't be seen or that turn
// the direction of reading.
func Visible(s string) string { return strings.Map(seen, s) }

// Lines makes what can't be seen visible, and begins each further line with indent.
func Lines(s, indent string) string {
	all := strings.Split(s, "\n")
	for i := range all {
		all[i] = Visible(all[i])
	}
	return strings.Join(all, "\n"+indent)
}
