package man

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Screen says how a page is shown on a terminal.
type Screen struct {
	Width  int                 // of a line; at least 40 are used
	Strong func(string) string // makes text stand out; nil: it does not
}

// The space that stands before text, and before what belongs to a tag.
const (
	margin = "    "
	deeper = margin + "    "
)

// Text returns the page for a terminal.
func (p Page) Text(s Screen) string {
	if s.Strong == nil {
		s.Strong = func(t string) string { return t }
	}
	s.Width = max(s.Width, 40)
	var b strings.Builder
	b.WriteString(s.Strong("NAME") + "\n" + margin + p.Name + " - " + marked(p.Title, "", "") + "\n")
	last := Paragraph
	for _, block := range p.Blocks {
		if last != Section && last != Subsection && !(last == Item && block.Kind == Item) {
			b.WriteString("\n")
		}
		b.WriteString(s.block(block))
		last = block.Kind
	}
	return b.String()
}

func (s Screen) block(b Block) string {
	switch b.Kind {
	case Section:
		return s.Strong(strings.ToUpper(b.Text)) + "\n"
	case Subsection:
		return "  " + s.Strong(marked(b.Text, "", "")) + "\n"
	case Item:
		return s.fill(b.Text, margin+"- ", margin+"  ")
	case Tagged:
		return s.fill(b.Tag, margin, deeper) + s.fill(b.Text, deeper, deeper)
	case Code:
		return deeper + strings.ReplaceAll(b.Text, "\n", "\n"+deeper) + "\n"
	}
	return s.fill(b.Text, margin, margin)
}

// The marks that enclose a strong word until its line is complete; both are no letters.
const on, off = "\x0e", "\x0f"

var strongWord = regexp.MustCompile(on + "[^" + off + "]*" + off)

// fill returns text in lines, the first behind one indent and the others behind another.
func (s Screen) fill(text, first, others string) string {
	show := func(w string) string { return s.Strong(strings.Trim(w, on+off)) }
	var b strings.Builder
	for i, l := range Wrap(marked(text, on, off), s.Width-len(others)) {
		indent := others
		if i == 0 {
			indent = first
		}
		b.WriteString(indent + strongWord.ReplaceAllStringFunc(l, show) + "\n")
	}
	return b.String()
}

// marked returns text without its inline marks, with others around each strong word.
func marked(text, on, off string) string {
	var b strings.Builder
	for _, span := range spans(text) {
		if !span.strong {
			b.WriteString(span.text)
			continue
		}
		b.WriteString(on + strings.Join(strings.Fields(span.text), off+" "+on) + off)
	}
	return b.String()
}

var widthless = strings.NewReplacer(on, "", off, "")

// shown returns how many columns text takes.
func shown(text string) int { return utf8.RuneCountInString(widthless.Replace(text)) }
