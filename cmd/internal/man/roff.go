package man

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Release says what a page belongs to.
type Release struct {
	Version string
	Date    time.Time
}

// Roff returns the page as man(1) reads it, in the macros of man(7).
func (p Page) Roff(r Release) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH \"%s\" \"%d\" \"%s\" \"dkimbot %s\" \"dkimbot manual\"\n",
		escape(strings.ToUpper(p.Name)), p.Section, r.Date.UTC().Format(time.DateOnly), escape(r.Version))
	b.WriteString(".nh\n.ad l\n") // names and flags are not to be broken
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(p.Name), inline(p.Title))
	fresh := true // directly below a title no paragraph is to be begun
	for _, block := range p.Blocks {
		b.WriteString(block.roff(fresh))
		fresh = block.Kind == Section || block.Kind == Subsection
	}
	return []byte(b.String())
}

func (b Block) roff(fresh bool) string {
	switch b.Kind {
	case Section:
		return ".SH \"" + escape(strings.ToUpper(b.Text)) + "\"\n"
	case Subsection:
		return ".SS \"" + inline(b.Text) + "\"\n"
	case Item:
		return ".IP \\(bu 2\n" + lines(b.Text)
	case Tagged:
		return ".TP\n" + line(inline(b.Tag)) + "\n" + lines(b.Text)
	case Code:
		return begin(fresh) + ".RS 4\n.EX\n" + code(b.Text) + ".EE\n.RE\n"
	}
	return begin(fresh) + lines(b.Text)
}

func begin(fresh bool) string {
	if fresh {
		return ""
	}
	return ".PP\n"
}

// inline returns text with its marks as roff's fonts.
func inline(text string) string {
	var b strings.Builder
	for _, s := range spans(text) {
		if s.strong {
			b.WriteString(`\fB` + verbatim(s.text) + `\fR`)
		} else {
			b.WriteString(escape(s.text))
		}
	}
	return b.String()
}

// lines returns text in lines that are short enough to read and compare.
func lines(text string) string {
	var b strings.Builder
	for _, l := range Wrap(inline(text), 78) {
		b.WriteString(line(l) + "\n")
	}
	return b.String()
}

// line makes sure that text does not begin with what roff takes for a request.
func line(text string) string {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, `'`) {
		return `\&` + text
	}
	return text
}

var (
	special   = strings.NewReplacer(`\`, `\e`, "`", `\(ga`, `'`, `\(aq`, `"`, `\(dq`, "^", `\(ha`, "~", `\(ti`)
	flagWords = regexp.MustCompile(`(^|[^A-Za-z0-9])--?[A-Za-z][A-Za-z0-9-]*|--`)
)

// escape returns text that roff shows as it stands. The dashes of flags stay dashes,
// so that a command can be copied from the page.
func escape(text string) string {
	return flagWords.ReplaceAllStringFunc(special.Replace(text), dashes)
}

func dashes(s string) string { return strings.ReplaceAll(s, "-", `\-`) }

// verbatim is escape for what is typed.
func verbatim(text string) string { return dashes(special.Replace(text)) }

func code(text string) string {
	var b strings.Builder
	for l := range strings.SplitSeq(text, "\n") {
		b.WriteString(line(verbatim(l)) + "\n")
	}
	return b.String()
}

// Wrap breaks text at spaces, so that no line is longer than width if that can be.
func Wrap(text string, width int) (out []string) {
	var now strings.Builder
	length := 0
	for _, word := range strings.Fields(text) {
		n := shown(word)
		if length > 0 && length+1+n > width {
			out = append(out, now.String())
			now.Reset()
			length = 0
		}
		if length > 0 {
			now.WriteByte(' ')
			length++
		}
		now.WriteString(word)
		length += n
	}
	if length > 0 {
		out = append(out, now.String())
	}
	return out
}
