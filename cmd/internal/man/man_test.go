package man

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample has each kind of block; a quote stands for a backquote.
var sample = strings.ReplaceAll(`# sample(7): a page

## One section

Text with '--a-flag x', **strong** text,
a [link](other.md) and [another](https://example.com).

### Sub
- one
  more
- two

| tag | text |
|---|---|
| 'a', 'b' | of a \| b |

'''
code  -x
.request $
'''
`, "'", "`")

func TestParse(t *testing.T) {
	got, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	want := Page{"sample", 7, "a page", []Block{
		{Kind: Section, Text: "One section"},
		{Kind: Paragraph, Text: "Text with `--a-flag x`, **strong** text, " +
			"a [link](other.md) and [another](https://example.com)."},
		{Kind: Subsection, Text: "Sub"},
		{Kind: Item, Text: "one more"},
		{Kind: Item, Text: "two"},
		{Tagged, "`a`, `b`", "of a | b"},
		{Kind: Code, Text: "code  -x\n.request $"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for name, text := range map[string]string{"no title": "text", "open code": "# a(1): b\n```\nx\n"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s is taken for a page", name)
		}
	}
}

func TestRoff(t *testing.T) {
	p, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(string(p.Roff(Release{Version: "v1"})), ".SH NAME\n")
	want := `sample \- a page
.SH "ONE SECTION"
Text with \fB\-\-a\-flag x\fR, \fBstrong\fR text, a link and another
(https://example.com).
.SS "Sub"
.IP \(bu 2
one more
.IP \(bu 2
two
.TP
\fBa\fR, \fBb\fR
of a | b
.PP
.RS 4
.EX
code  \-x
.request $
.EE
.RE
`
	want = strings.Replace(want, "\n.request", "\n\\&.request", 1)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestText(t *testing.T) {
	p, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	want := `[NAME]
    sample - a page

[ONE SECTION]
    Text with [--a-flag] [x], [strong] text, a
    link and another
    (https://example.com).

  [Sub]
    - one more
    - two

    [a], [b]
        of a | b

        code  -x
        .request $
`
	screen := Screen{Width: 42, Strong: func(s string) string { return "[" + s + "]" }}
	if d := cmp.Diff(want, p.Text(screen)); d != "" {
		t.Error(d)
	}
}

// TestListInHelp: indented lines below a sentence of a help text are a list, and do not run together.
func TestListInHelp(t *testing.T) {
	want := []Block{{Kind: Paragraph, Text: "It does this and that."}, {Kind: Paragraph, Text: "Drivers:"},
		{Tagged, "`one`", "The first of them."}, {Tagged, "`other`", "See `--flag`."}, {Kind: Code, Text: "as it is\n  indented"}}
	got := help("It does this\nand that.\n\nDrivers:\n  one    the first of them\n  other  see --flag\n\n  as it is\n    indented\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
