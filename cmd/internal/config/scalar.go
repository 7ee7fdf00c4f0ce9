package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// text reads v as text. The value itself is never shown: it could be a secret (I9).
func (v value) text() (string, bool) {
	n := v.target()
	switch {
	case n.Kind != yaml.ScalarNode:
		v.fail("is "+v.kind(), "want a text")
	case n.Tag != "!!str":
		v.fail("is "+v.kind()+" to YAML, not text", "put it in quotes")
	case strings.ContainsFunc(n.Value, unicode.IsControl):
		v.fail("holds a line break or another control character", "write it on one line")
	case n.Value == "":
		v.fail("is empty", "give it a value or leave the key out")
	default:
		return n.Value, true
	}
	return "", false
}

// text returns the text at key, or def.
func (s *section) text(key, def string) string {
	if v, ok := s.take(key); ok {
		if t, ok := v.text(); ok {
			return t
		}
	}
	return def
}

// words is text for keys where an empty text means something.
func (s *section) words(key, def string) string {
	if v, ok := s.values[key]; ok && v.target().Tag == "!!str" && v.target().Value == "" {
		s.known = append(s.known, key)
		return ""
	}
	return s.text(key, def)
}

func (s *section) needText(key, remedy string) (string, bool) {
	if v, ok := s.need(key, remedy); ok {
		return v.text()
	}
	return "", false
}

// choice returns the text at key, which must be one of the words, or def.
func (s *section) choice(key, def string, words ...string) string {
	v, ok := s.take(key)
	if !ok {
		return def
	}
	t, ok := v.text()
	if ok && !slices.Contains(words, t) {
		v.fail(unknown("value", t, words))
	}
	return t
}

func (s *section) boolean(key string, def bool) bool {
	v, ok := s.take(key)
	if !ok {
		return def
	}
	n := v.target()
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		v.fail("is "+v.kind()+" to YAML", "write true or false, without quotes")
		return def
	}
	return strings.EqualFold(n.Value, "true")
}

// number returns the number at key, which must be in the range, or 0.
func (s *section) number(key string, least, most float64) float64 {
	v, ok := s.take(key)
	if !ok {
		return 0
	}
	f, err := strconv.ParseFloat(v.target().Value, 64)
	if tag := v.target().Tag; err != nil || tag != "!!int" && tag != "!!float" || f < least || f > most {
		v.fail("is not a number that makes sense here", fmt.Sprintf("write a number from %g to %.0f, without quotes", least, most))
		return 0
	}
	return f
}

// brief writes d as people do: 168h, not 168h0m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

const goNotation = "write a number and a unit: 90s, 15m, 168h"

var daysForm = regexp.MustCompile(`^([0-9]{1,5})([dw])$`)

func (v value) duration() (time.Duration, bool) {
	n := v.target()
	if n.Tag == "!!int" || n.Tag == "!!float" {
		v.fail("has no unit", goNotation)
		return 0, false
	}
	t, ok := v.text()
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(t)
	switch m := daysForm.FindStringSubmatch(t); {
	case m != nil:
		hours, _ := strconv.Atoi(m[1])
		hours *= map[string]int{"d": 24, "w": 7 * 24}[m[2]]
		v.fail(fmt.Sprintf("%q is not a duration in Go's notation, which has no days", t), fmt.Sprintf("write %dh", hours))
		return 0, false
	case err != nil:
		v.fail(fmt.Sprintf("%q is not a duration", t), goNotation)
		return 0, false
	}
	return d, true
}

// duration returns the duration at key, not less than least, or def.
func (s *section) duration(key string, def, least time.Duration) time.Duration {
	v, ok := s.take(key)
	if !ok {
		return def
	}
	d, ok := v.duration()
	if !ok {
		return def
	}
	if d < least {
		v.fail(brief(d)+" is too short", "want at least "+brief(least))
		return def
	}
	return d
}

func (v value) list() ([]value, bool) {
	n := v.target()
	if n.Kind != yaml.SequenceNode {
		v.fail("is "+v.kind(), "want a list: [one, two]")
		return nil, false
	}
	out := make([]value, len(n.Content))
	for i, c := range n.Content {
		out[i] = value{v.doc, fmt.Sprintf("%s[%d]", v.path, i), c}
	}
	return out, true
}

// texts reads v as a list of texts and leaves those out that are none. There is
// one value for each text.
func (v value) texts() (texts []string, at []value) {
	items, _ := v.list()
	for _, item := range items {
		if t, ok := item.text(); ok {
			texts, at = append(texts, t), append(at, item)
		}
	}
	return texts, at
}

// command reads a program and its arguments. It is run without a shell.
func (v value) command() []string {
	if n := v.target(); n.Kind == yaml.ScalarNode {
		v.fail("is "+v.kind(), "write program and arguments as a list: [systemctl, reload, opendkim]; no shell is involved")
		return nil
	}
	args, at := v.texts()
	if len(v.target().Content) == 0 {
		v.fail("names no command", "write program and arguments: [systemctl, reload, opendkim]")
	}
	if len(args) == 0 {
		return nil
	}
	if strings.Contains(args[0], "/") {
		args[0], _ = at[0].absolute(args[0])
	}
	return args
}

// file returns the absolute path at key, or of def; "" when neither is there.
func (s *section) file(key, def string) string {
	v, ok := s.take(key)
	if !ok {
		if def != "" {
			def = filepath.Join(s.doc.dir, def)
		}
		return def
	}
	if t, ok := v.text(); ok {
		t, _ = v.absolute(t)
		return t
	}
	return ""
}

func (s *section) needFile(key, remedy string) string {
	if !s.has(key) {
		s.need(key, remedy)
		return ""
	}
	return s.file(key, "")
}

// absolute makes p relative to the file that v stands in.
func (v value) absolute(p string) (string, bool) {
	if p == "~" || strings.HasPrefix(p, "~/") {
		v.fail("begins with ~, which means nothing here", "write the whole path")
		return "", false
	}
	if filepath.IsAbs(p) {
		return filepath.Clean(p), true
	}
	return filepath.Join(v.doc.dir, p), true
}
