package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v4"
)

// section is a group of keys. The keys that were asked for are the known ones;
// done reports all others.
type section struct {
	doc    *document
	path   string
	line   int
	values map[string]value
	keys   map[string]*yaml.Node // where each key stands
	known  []string
	merged map[*yaml.Node]bool // the groups whose keys were taken over
}

// section reads v as a group of keys, or reports that it is none.
func (v value) section() (*section, bool) {
	n := v.target()
	if n.Kind != yaml.MappingNode {
		v.fail("is "+v.kind(), "want a group of keys, each on a line of its own: key: value")
		return nil, false
	}
	s := &section{doc: v.doc, path: v.path, line: v.line(), values: map[string]value{}, keys: map[string]*yaml.Node{}, merged: map[*yaml.Node]bool{}}
	s.fill(n)
	return s, true
}

// fill takes over the keys of n, then those that it merges (<<) and does not have itself.
func (s *section) fill(n *yaml.Node) {
	s.merged[n] = true
	own := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			s.doc.fail(n.Content[i].Line, s.path, "a key is not a plain word", "write key: value")
		case k.Tag == "!!merge" && len(merged) > 0:
			s.doc.fail(k.Line, s.join("<<"), "the key stands twice, and which group counts is easily mistaken", "merge one group, and write the other keys out")
		case k.Tag == "!!merge":
			merged = append(merged, v)
		case own[k.Value] != 0:
			s.doc.fail(k.Line, s.join(k.Value), fmt.Sprintf("the key stands twice, first in line %d", own[k.Value]), "keep one of them")
		default:
			own[k.Value] = k.Line
			if _, have := s.values[k.Value]; !have {
				s.keys[k.Value] = k
				s.values[k.Value] = value{s.doc, s.join(k.Value), v}
			}
		}
	}
	for _, m := range merged {
		s.merge(m)
	}
}

// merge takes over what "<<: *anchor" stands for, once, since merges can lead back to
// themselves. In a list of groups the first would win without a word.
func (s *section) merge(m *yaml.Node) {
	switch n := follow(m); {
	case n.Kind == yaml.SequenceNode:
		s.doc.fail(m.Line, s.join("<<"), "a list of groups is merged, and which of them counts is easily mistaken", "merge one group (<<: *name), and write the other keys out")
	case n.Kind != yaml.MappingNode:
		s.doc.fail(m.Line, s.join("<<"), "can't be merged", "want an alias of a group of keys: <<: *name")
	case !s.merged[n]:
		s.fill(n)
	}
}

func (s *section) join(key string) string {
	if s.path == "" {
		return key
	}
	return s.path + "." + key
}

// take returns the value of key, if there is one, and makes the key known.
func (s *section) take(key string) (value, bool) {
	s.known = append(s.known, key)
	v, ok := s.values[key]
	if ok && v.target().Tag == "!!null" {
		v.fail("is empty", "give it a value or leave the key out")
		return v, false
	}
	return v, ok
}

// need is take for a key that must be there.
func (s *section) need(key, remedy string) (value, bool) {
	v, ok := s.take(key)
	if _, stands := s.values[key]; !stands {
		s.doc.fail(s.line, s.join(key), "is missing", remedy)
	}
	return v, ok
}

// has reports whether any of the keys stands in the section.
func (s *section) has(keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { _, ok := s.values[k]; return ok })
}

// at returns the line of the first of the keys that stands in the section, else the section's.
func (s *section) at(keys ...string) (line int, path string) {
	for _, k := range keys {
		if n, ok := s.keys[k]; ok {
			return n.Line, s.join(k)
		}
	}
	return s.line, s.path
}

// sub returns the section at key; an empty one when it is not there or is none.
func (s *section) sub(key string) *section {
	if v, ok := s.take(key); ok {
		if sub, ok := v.section(); ok {
			return sub
		}
	}
	return &section{doc: s.doc, path: s.join(key), line: s.line}
}

// done reports the keys that nobody asked for.
func (s *section) done() {
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if !slices.Contains(s.known, key) {
			problem, remedy := unknown("key", key, s.known)
			s.doc.fail(s.keys[key].Line, s.join(key), problem, remedy)
		}
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// named returns the sections of a group whose keys are names of the operator's own.
func (s *section) named(key, what string) map[string]*section {
	out := map[string]*section{}
	v, ok := s.take(key)
	if !ok {
		return out
	}
	group, ok := v.section()
	if !ok {
		return out
	}
	for name, v := range group.values {
		if !nameForm.MatchString(name) {
			v.doc.fail(group.keys[name].Line, v.path, "can't be the name of a "+what, "use letters, digits, -, _ and ., at most 63")
		}
		if v.target().Tag == "!!null" {
			v.fail("is empty", "give it keys, or remove it")
		} else if sub, ok := v.section(); ok {
			out[name] = sub
		}
	}
	return out
}
