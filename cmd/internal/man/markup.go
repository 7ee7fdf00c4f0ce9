package man

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var titleForm = regexp.MustCompile(`^# (\S+)\((\d)\): (.+)$`)

// Parse reads a page that is written in a small part of Markdown:
//
//	# name(7): title          the first line
//	## Section, ### Subsection
//	- item                    continued on indented lines
//	| tag | text |            a table of two columns; its first row and the rule below it are left out
//	```                       lines that stay as they are
//
// and paragraphs. Within text, `x`, **x** and [x](y) have their usual meaning.
func Parse(text string) (Page, error) {
	first, rest, _ := strings.Cut(text, "\n")
	m := titleForm.FindStringSubmatch(first)
	if m == nil {
		return Page{}, fmt.Errorf("the first line is %q, want \"# name(7): title\"", first)
	}
	section, _ := strconv.Atoi(m[2])
	p := reader{page: Page{Name: m[1], Section: section, Title: m[3]}}
	for line := range strings.Lines(rest) {
		p.line(strings.TrimRight(line, "\n"))
	}
	p.end()
	if p.code {
		return Page{}, fmt.Errorf("%s: a block of code is not closed", p.page.Name)
	}
	return p.page, nil
}

type reader struct {
	page  Page
	open  *Block // what the next line may continue with
	code  bool
	table bool // the line before was a row
}

func (p *reader) end() {
	if p.open != nil {
		p.page.Blocks = append(p.page.Blocks, *p.open)
	}
	p.open, p.table = nil, false
}

func (p *reader) start(b Block) {
	p.end()
	p.open = &b
}

func (p *reader) line(line string) {
	if p.code {
		p.codeLine(line)
		return
	}
	switch word, after, _ := strings.Cut(line, " "); {
	case strings.HasPrefix(line, "```"):
		p.start(Block{Kind: Code})
		p.code = true
	case line == "":
		p.end()
	case word == "##":
		p.start(Block{Kind: Section, Text: after})
		p.end()
	case word == "###":
		p.start(Block{Kind: Subsection, Text: after})
		p.end()
	case word == "-":
		p.start(Block{Kind: Item, Text: after})
	case strings.HasPrefix(line, "|"):
		p.row(line)
	case p.open == nil:
		p.start(Block{Kind: Paragraph, Text: line})
	default:
		p.open.Text += " " + strings.TrimSpace(line)
	}
}

func (p *reader) codeLine(line string) {
	if line == "```" {
		p.open.Text = strings.TrimSuffix(p.open.Text, "\n")
		p.code = false
		p.end()
		return
	}
	p.open.Text += line + "\n"
}

// row reads a row of a table; the first one is its head.
func (p *reader) row(line string) {
	if !p.table {
		p.end()
		p.table = true
		return
	}
	if strings.HasPrefix(line, "|-") || strings.HasPrefix(line, "| -") {
		return
	}
	tag, text, _ := strings.Cut(strings.Trim(line, "| "), " | ")
	cell := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), `\|`, "|") }
	p.page.Blocks = append(p.page.Blocks, Block{Tagged, cell(tag), cell(text)})
}
