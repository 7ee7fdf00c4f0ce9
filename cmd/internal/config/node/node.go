package node

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

// Lookup returns an environment variable, as os.LookupEnv does.
type Lookup func(name string) (text string, found bool)

// Document is one file of the configuration.
type Document struct {
	*Findings
	Lookup  Lookup // of environment variables
	Name    string // for people
	Dir     string // absolute; relative paths start here
	path    string // absolute
	private bool   // only its owner can read it
}

// Fail reports what is wrong in a line of the file, at the key of that path.
func (d *Document) Fail(line int, path, problem, remedy string) {
	d.add(&d.Errs, Error{d.Name, max(line, 1), path, problem, remedy})
}

// Warn reports what is allowed there and yet probably not meant.
func (d *Document) Warn(line int, path, problem, remedy string) {
	d.add(&d.Warns, Error{d.Name, max(line, 1), path, problem, remedy})
}

// Parse reads data as exactly one YAML document and returns its root, or reports why not.
// YAML 1.2 section 5.2 knows UTF-16, too; in it the lines and places of findings
// would not be those of the file.
func (d *Document) Parse(data []byte) (Value, bool) {
	if !utf8.Valid(data) {
		d.notText(data)
		return Value{}, false
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		d.syntax(data, err)
		return Value{}, false
	}
	var root, second yaml.Node
	switch err := loader.Load(&root); {
	case errors.Is(err, io.EOF) || err == nil && len(root.Content) == 0:
		d.Fail(1, "", "the file is empty", "write at least the domains, or [] in an included file")
		return Value{}, false
	case err != nil:
		d.syntax(data, err)
		return Value{}, false
	}
	switch err := loader.Load(&second); {
	case err == nil:
		d.Fail(second.Line, "", "a second YAML document begins here",
			"keep one document in a file: remove the line --- and join the two")
		return Value{}, false
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
		return Value{}, false
	}
	d.tags(&root)
	return Value{Doc: d, node: root.Content[0]}, true
}

// plainTags are those of YAML's core schema; the others make types that dkimbot has no use for.
var plainTags = []string{"", "!!seq", "!!map"}

// tags refuses a type that is written in front of a group or list: it would be left out
// without a word. Who reads a plain value sees its type.
func (d *Document) tags(n *yaml.Node) {
	if tag := n.ShortTag(); n.Kind != yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0 &&
		!slices.Contains(plainTags, tag) {
		d.Fail(n.Line, "", "a group or list has a type that is not known here",
			"remove the word that begins with ! before it")
	}
	for _, c := range n.Content {
		d.tags(c)
	}
}

// syntax reports what the YAML reader could not read. Its words are passed on
// only where they quote nothing from the file, since that could be a secret (I9).
func (d *Document) syntax(data []byte, err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		d.Fail(1, "", "the file is not YAML", "begin with examples/quickstart/dkimbot.yaml")
		return
	}
	line := e.Mark.Line
	switch {
	case indentedByTab(data, line):
		d.Fail(line, "", "the line is indented by a tab", "YAML wants spaces")
	case strings.HasPrefix(e.Message, "unknown anchor"):
		d.Fail(line, "", "an alias (*name) has no anchor (&name) before it", "a text that begins with * must stand in quotes")
	case e.Stage == yaml.ReaderStage:
		d.notText(data)
	case e.ContextMsg != "" && e.ContextMark.Line > 0:
		d.Fail(line, "", fmt.Sprintf("%s (%s that began at line %d)", e.Message, e.ContextMsg, e.ContextMark.Line),
			"look for a missing bracket, quote or colon, or wrong indentation")
	default:
		d.Fail(line, "", e.Message, "look for a missing quote or wrong indentation; "+
			"text with \": \" or \" #\" in it must stand in quotes")
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

func (d *Document) notText(data []byte) {
	d.Fail(oddLine(data), "", "the file is not plain text in UTF-8", "save it as UTF-8 and remove control characters")
}

// oddLine is the line of the first character that plain text does not have.
func oddLine(data []byte) int {
	i := bytes.IndexFunc(data, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune("\n\t\r", r) || r == unicode.ReplacementChar
	})
	return 1 + bytes.Count(data[:max(i, 0)], []byte("\n"))
}

// Value is something that stands in a file, with the path that leads to it.
type Value struct {
	Doc  *Document
	Path string
	node *yaml.Node
}

// Line returns the line that v stands in.
func (v Value) Line() int { return v.node.Line }

// Fail reports what is wrong with v.
func (v Value) Fail(problem, remedy string) { v.Doc.Fail(v.Line(), v.Path, problem, remedy) }

// Warn reports what is allowed and yet probably not meant.
func (v Value) Warn(problem, remedy string) { v.Doc.Warn(v.Line(), v.Path, problem, remedy) }

// target returns the node, behind an alias where v is one.
func (v Value) target() *yaml.Node { return follow(v.node) }

func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// kind says in words what stands there.
func (v Value) kind() string {
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
