package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// document is one file of the configuration.
type document struct {
	*findings
	env     environment
	name    string // for people
	path    string // absolute
	dir     string // absolute; relative paths start here
	private bool   // nobody but its owner can read it
}

func (d *document) fail(line int, path, problem, remedy string) {
	d.add(&d.errs, Error{d.name, max(line, 1), path, problem, remedy})
}

func (d *document) warn(line int, path, problem, remedy string) {
	d.add(&d.warns, Error{d.name, max(line, 1), path, problem, remedy})
}

// parse reads data as exactly one YAML document and returns its root, or reports why not.
// YAML 1.2 section 5.2 knows UTF-16, too; in it the lines and places of findings
// would not be those of the file.
func (d *document) parse(data []byte) (value, bool) {
	if !utf8.Valid(data) {
		d.notText(data)
		return value{}, false
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		d.syntax(data, err)
		return value{}, false
	}
	var root, second yaml.Node
	switch err := loader.Load(&root); {
	case errors.Is(err, io.EOF) || err == nil && len(root.Content) == 0:
		d.fail(1, "", "the file is empty", "write at least the domains, or [] in an included file")
		return value{}, false
	case err != nil:
		d.syntax(data, err)
		return value{}, false
	}
	switch err := loader.Load(&second); {
	case err == nil:
		d.fail(second.Line, "", "a second YAML document begins here", "keep one document in a file: remove the line --- and join the two")
		return value{}, false
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
		return value{}, false
	}
	d.tags(&root)
	return value{doc: d, node: root.Content[0]}, true
}

// plainTags are those of YAML's core schema; the others make types that dkimbot has no use for.
var plainTags = []string{"", "!!seq", "!!map"}

// tags refuses a type that is written in front of a group or list: it would be left out
// without a word. Who reads a plain value sees its type.
func (d *document) tags(n *yaml.Node) {
	if tag := n.ShortTag(); n.Kind != yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0 && !slices.Contains(plainTags, tag) {
		d.fail(n.Line, "", "a group or list has a type that is not known here", "remove the word that begins with ! before it")
	}
	for _, c := range n.Content {
		d.tags(c)
	}
}

// syntax reports what the YAML reader could not read. Its words are passed on
// only where they quote nothing from the file, since that could be a secret (I9).
func (d *document) syntax(data []byte, err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		d.fail(1, "", "the file is not YAML", "begin with examples/quickstart/dkimbot.yaml")
		return
	}
	line := e.Mark.Line
	switch {
	case indentedByTab(data, line):
		d.fail(line, "", "the line is indented by a tab", "YAML wants spaces")
	case strings.HasPrefix(e.Message, "unknown anchor"):
		d.fail(line, "", "an alias (*name) has no anchor (&name) before it", "a text that begins with * must stand in quotes")
	case e.Stage == yaml.ReaderStage:
		d.notText(data)
	case e.ContextMsg != "" && e.ContextMark.Line > 0:
		d.fail(line, "", fmt.Sprintf("%s (%s that began at line %d)", e.Message, e.ContextMsg, e.ContextMark.Line), "look for a missing bracket, quote or colon, or wrong indentation")
	default:
		d.fail(line, "", e.Message, "look for a missing quote or wrong indentation; text with \": \" or \" #\" in it must stand in quotes")
	}
}

func indentedByTab(data []byte, line int) bool {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return false
	}
	text := lines[line-1]
	return bytes.ContainsRune(text[:len(text)-len(bytes.TrimLeft(text, " \t"))], '\t')
}

func (d *document) notText(data []byte) {
	d.fail(oddLine(data), "", "the file is not plain text in UTF-8", "save it as UTF-8 and remove control characters")
}

// oddLine is the line of the first character that plain text does not have.
func oddLine(data []byte) int {
	i := bytes.IndexFunc(data, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune("\n\t\r", r) || r == unicode.ReplacementChar
	})
	return 1 + bytes.Count(data[:max(i, 0)], []byte("\n"))
}

// value is something that stands in a file, with the path that leads to it.
type value struct {
	doc  *document
	path string
	node *yaml.Node
}

func (v value) line() int { return v.node.Line }

func (v value) fail(problem, remedy string) { v.doc.fail(v.line(), v.path, problem, remedy) }

func (v value) warn(problem, remedy string) { v.doc.warn(v.line(), v.path, problem, remedy) }

// target returns the node, behind an alias where v is one.
func (v value) target() *yaml.Node { return follow(v.node) }

func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// kind says in words what stands there.
func (v value) kind() string {
	n := v.target()
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	case "!!timestamp":
		return "a date"
	}
	return "a tagged value"
}
