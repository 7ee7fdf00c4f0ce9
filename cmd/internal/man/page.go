package man

import (
	"fmt"
	"strings"
)

// Page is one manual page.
type Page struct {
	Name    string // "dkimbot-rotate"
	Section int    // of the manual: 1, 5 or 7
	Title   string // what it is about, on one line
	Blocks  []Block
}

// Kind says what a block is.
type Kind int

// The kinds of block. Text and tags have inline marks; code has none.
const (
	Section    Kind = iota // a title
	Subsection             // a title below a section's
	Paragraph
	Item   // of a list with bullets
	Tagged // Text is about Tag
	Code   // lines that stay as they are
)

// Block is a part of a page.
type Block struct {
	Kind Kind
	Tag  string
	Text string
}

// Ref returns how other pages name this one: "dkimbot-rotate(1)".
func (p Page) Ref() string { return fmt.Sprintf("%s(%d)", p.Name, p.Section) }

// File returns the page's path below a directory of manual pages.
func (p Page) File() string { return fmt.Sprintf("man%d/%s.%d", p.Section, p.Name, p.Section) }

// add appends a section with its blocks, unless it has none.
func (p *Page) add(title string, blocks ...Block) {
	if len(blocks) > 0 {
		p.Blocks = append(append(p.Blocks, Block{Kind: Section, Text: title}), blocks...)
	}
}

// Find returns the page that a person means by name: "dkimbot-rotate", "rotate",
// "dkimbot.yaml" or "yaml", also with its section.
func Find(pages []Page, name string) (Page, bool) {
	name, _, _ = strings.Cut(name, "(")
	for _, p := range pages {
		short := strings.TrimLeft(strings.TrimPrefix(p.Name, "dkimbot"), "-.")
		if name == p.Name || name != "" && name == short || name == fmt.Sprintf("%s.%d", p.Name, p.Section) {
			return p, true
		}
	}
	return Page{}, false
}
