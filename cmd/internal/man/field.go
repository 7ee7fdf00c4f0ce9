package man

import "strings"

// Field is one key of the configuration.
type Field struct {
	Path    string // "policies.NAME.drain": words in capitals are names of the operator's own
	Type    string // "duration", "list of words" and the like
	Meaning string
	Default string // as it would be written; "" when there is none
	Needed  bool   // it must be given
	Secret  bool   // given by Path_file, Path_env or Path
}

// Group is a part of the configuration: fields whose paths begin alike.
type Group struct {
	Title  string
	Intro  string // a sentence or two, with marks; may be empty
	Fields []Field
}

// Configuration returns dkimbot.yaml(5): what stands before the fields in frame, then
// the groups, then the rest of frame, from its second section on.
func Configuration(frame Page, groups []Group) Page {
	p := frame
	before, after := split(frame.Blocks)
	p.Blocks = append([]Block{}, before...)
	for _, g := range groups {
		var blocks []Block
		if g.Intro != "" {
			blocks = append(blocks, Block{Kind: Paragraph, Text: g.Intro})
		}
		for _, f := range g.Fields {
			blocks = append(blocks, f.block())
		}
		p.add(g.Title, blocks...)
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

func (f Field) block() Block {
	tag := "`" + f.Path + "` (" + f.Type
	if f.Secret {
		tag = "`" + f.Path + "_file`, `" + f.Path + "_env`, `" + f.Path + "` (secret"
	}
	if f.Needed {
		tag += ", needed"
	}
	text := strings.TrimSuffix(f.Meaning, ".") + "."
	if f.Default != "" {
		text += " Default: `" + f.Default + "`."
	}
	return Block{Tagged, tag + ")", text}
}
