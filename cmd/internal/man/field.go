package man

import "strings"

// Field is one key of the configuration.
type Field struct {
	Key     string
	Type    string // "duration", "path" and the like
	Meaning string
	Default string // in words; "" when there is none
	Needed  bool
	Secret  bool // given by KEY_file, KEY_env or KEY
}

// Group is the keys that stand side by side.
type Group struct {
	Paths   []string // where: "policies.NAME", NAME standing for a name of the operator's own; "" is the top
	Driver  string   // the driver that has these keys; "" when all have them
	Meaning string
	Fields  []Field
}

// Configuration returns dkimbot.yaml(5): the first section of frame, then the groups, then
// the rest of frame.
func Configuration(frame Page, groups []Group) Page {
	p := frame
	before, after := split(frame.Blocks)
	p.Blocks = append([]Block{}, before...)
	section := ""
	for _, g := range groups {
		if title := g.section(); title != section {
			section = title
			p.Blocks = append(p.Blocks, Block{Kind: Section, Text: title})
		}
		p.Blocks = append(p.Blocks, g.blocks()...)
	}
	p.Blocks = append(p.Blocks, after...)
	return p
}

// split returns the first section of a page and the others.
func split(blocks []Block) (first, others []Block) {
	sections := 0
	for i, b := range blocks {
		if b.Kind == Section {
			sections++
		}
		if sections == 2 {
			return blocks[:i], blocks[i:]
		}
	}
	return blocks, nil
}

// section returns the title that the group stands under.
func (g Group) section() string {
	top, _, _ := strings.Cut(g.Paths[0], ".")
	if top = strings.TrimSuffix(top, "[]"); top != "" {
		return "Keys of " + top
	}
	return "Keys"
}

func (g Group) blocks() []Block {
	var out []Block
	if g.Paths[0] != "" {
		title := "`" + strings.Join(g.Paths, "`, `") + "`"
		if g.Driver != "" {
			title += " with `" + g.Driver + "`"
		}
		out = append(out, Block{Kind: Subsection, Text: title})
	}
	out = append(out, Block{Kind: Paragraph, Text: sentence(g.Meaning)})
	for _, f := range g.Fields {
		out = append(out, f.block(g.Paths[0]))
	}
	return out
}

func (f Field) block(path string) Block {
	name := f.Key
	if path != "" {
		name = path + "." + f.Key
	}
	tag := "`" + name + "`"
	if f.Secret {
		tag = "`" + name + "_file`, `" + name + "_env`, " + tag
	}
	tag += " (" + f.Type
	if f.Needed {
		tag += ", needed"
	}
	text := sentence(f.Meaning)
	if f.Default != "" {
		text += " Default: " + f.Default + "."
	}
	return Block{Tagged, tag + ")", text}
}

func sentence(s string) string { return upperFirst(strings.TrimSuffix(s, ".")) + "." }
