package screen

import (
	"bytes"
	"cmp"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// foldIndent is how far the rest of a folded line stands to the right of its begin: behind the
// labels.
const foldIndent = 6

// leastWidth is of how many columns a terminal has to be for lines to be folded for it.
const leastWidth = 40

// Folded returns p so that its lines break between words at width columns, and continue with an
// indent. A command between quotes stays on one line where it fits, because people copy it: half of
// it could do harm.
func (p Pen) Folded(width int) Pen {
	if width >= leastWidth {
		begin := regexp.QuoteMeta(cmp.Or(p.Mark, escapeBegin))
		p.W = fold{w: p.W, width: width, colour: regexp.MustCompile(begin + "[0-9]{1,2}m")}
	}
	return p
}

// Fits reports whether a line stands in one row.
func (p Pen) Fits(line string) bool {
	f, folds := p.W.(fold)
	return !folds || f.columns(line) <= f.width
}

type fold struct {
	w      io.Writer
	width  int
	colour *regexp.Regexp // which takes no room
}

// Write implements io.Writer. It is given whole lines.
func (f fold) Write(b []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(b) {
		f.line(&out, string(line))
	}
	if _, err := f.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f fold) line(out *bytes.Buffer, line string) {
	if f.columns(line) <= f.width+1 { // with its end
		out.WriteString(line)
		return
	}
	text := strings.TrimLeft(line, " ")
	lead := len(line) - len(text)
	indent := strings.Repeat(" ", min(lead+foldIndent, f.width/2))
	out.WriteString(line[:lead])
	at, begun := lead, false
	for text != "" {
		gap := text[:len(text)-len(strings.TrimLeft(text, " "))]
		word := text[len(gap) : len(gap)+wordEnd(text[len(gap):], f.width-len(indent))]
		text = text[len(gap)+len(word):]
		if wide := f.columns(strings.TrimRight(word, "\n")); begun && at+len(gap)+wide > f.width {
			out.WriteString("\n" + indent)
			at = len(indent) + wide
		} else {
			out.WriteString(gap)
			at += len(gap) + wide
		}
		out.WriteString(word)
		begun = true
	}
}

// wordEnd is where the first word of the text ends; what stays together and fits into most columns
// is a word.
func wordEnd(text string, most int) int {
	if quoted := len(together.FindString(text)); quoted > 0 {
		if end := quoted + spaceIn(text[quoted:]); utf8.RuneCountInString(text[:end]) <= most {
			return end
		}
	}
	return spaceIn(text)
}

// spaceIn is where the first space of the text stands, or the text ends.
func spaceIn(text string) int {
	if at := strings.IndexByte(text, ' '); at >= 0 {
		return at
	}
	return len(text)
}

// together is what stays on one line at the begin of a text: a command between quotes, perhaps in brackets, and a key
// with its id.
var together = regexp.MustCompile(`^\(?'[^'\n]+'|^\(?key [0-9a-f]{12}\b`)

func (f fold) columns(s string) int { return utf8.RuneCountInString(f.colour.ReplaceAllString(s, "")) }
