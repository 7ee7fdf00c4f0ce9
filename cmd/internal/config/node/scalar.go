package node

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// Text reads v as text. The value itself is never shown: it could be a secret (I9).
func (v Value) Text() (string, bool) {
	n := v.target()
	switch {
	case n.Kind != yaml.ScalarNode:
		v.Fail("is "+v.kind(), "want a text")
	case n.Tag != "!!str":
		v.Fail("is "+v.kind()+" to YAML, not text", "put it in quotes")
	case strings.ContainsFunc(n.Value, unicode.IsControl):
		v.Fail("holds a line break or another control character", "write it on one line")
	case n.Value == "":
		v.Fail("is empty", "give it a value or leave the key out")
	default:
		return n.Value, true
	}
	return "", false
}

// Raw returns a plain value as it stands, and whether it is a whole number to YAML.
func (v Value) Raw() (text string, whole bool) {
	return v.target().Value, v.target().Tag == "!!int"
}

// Text returns the text at key, or def.
func (s *Section) Text(key, def string) string {
	if v, ok := s.Take(key); ok {
		if t, ok := v.Text(); ok {
			return t
		}
	}
	return def
}

// Boolean returns yes or no at key, or def when it is not there.
func (s *Section) Boolean(key string, def bool) bool {
	v, ok := s.Take(key)
	if !ok {
		return def
	}
	n := v.target()
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		v.Fail("is "+v.kind()+" to YAML", "write true or false, without quotes")
		return def
	}
	return strings.EqualFold(n.Value, "true")
}

// Number returns the number at key, which must be in the range, or 0.
func (s *Section) Number(key string, least, most float64) float64 {
	v, ok := s.Take(key)
	if !ok {
		return 0
	}
	f, err := strconv.ParseFloat(v.target().Value, 64)
	if tag := v.target().Tag; err != nil || tag != "!!int" && tag != "!!float" || f < least || f > most {
		v.Fail("is out of range",
			fmt.Sprintf("write a number from %g to %.0f, without quotes", least, most))
		return 0
	}
	return f
}

const asNumber = "write a number and a unit: 90s, 15m, 36h, 7d"

// daysForm is what Go's notation does not have.
var daysForm = regexp.MustCompile(`^([0-9]{1,4})([dw])$`)

// Duration reads v in Go's notation, or as a number of days or weeks.
func (v Value) Duration() (time.Duration, bool) {
	n := v.target()
	if n.Tag == "!!int" || n.Tag == "!!float" {
		v.Fail("has no unit", asNumber)
		return 0, false
	}
	t, ok := v.Text()
	if !ok {
		return 0, false
	}
	if m := daysForm.FindStringSubmatch(t); m != nil {
		n, _ := strconv.Atoi(m[1])
		return time.Duration(n) * map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]], true
	}
	d, err := time.ParseDuration(t)
	if err != nil {
		v.Fail(fmt.Sprintf("%q is not a duration", t), asNumber)
		return 0, false
	}
	return d, true
}

// List returns the items of a list.
func (v Value) List() ([]Value, bool) {
	n := v.target()
	if n.Kind != yaml.SequenceNode {
		v.Fail("is "+v.kind(), "want a list: [one, two]")
		return nil, false
	}
	out := make([]Value, len(n.Content))
	for i, c := range n.Content {
		out[i] = Value{v.Doc, fmt.Sprintf("%s[%d]", v.Path, i), c}
	}
	return out, true
}

// Texts reads v as a list of texts and leaves those out that are none. There is
// one value for each text.
func (v Value) Texts() (texts []string, at []Value) {
	items, _ := v.List()
	for _, item := range items {
		if t, ok := item.Text(); ok {
			texts, at = append(texts, t), append(at, item)
		}
	}
	return texts, at
}

// Command reads a program and its arguments. It is run without a shell.
func (v Value) Command() []string {
	if n := v.target(); n.Kind == yaml.ScalarNode {
		v.Fail("is "+v.kind(), "write program and arguments as a list: [systemctl, reload, opendkim]; no shell is involved")
		return nil
	}
	args, at := v.Texts()
	if len(v.target().Content) == 0 {
		v.Fail("names no command", "write program and arguments: [systemctl, reload, opendkim]")
	}
	if len(args) == 0 {
		return nil
	}
	if strings.Contains(args[0], "/") {
		args[0], _ = at[0].Absolute(args[0])
	}
	return args
}

// Absolute makes p relative to the file that v stands in.
func (v Value) Absolute(p string) (string, bool) {
	path, problem := v.place().Absolute(p)
	return path, !v.problem(problem)
}
