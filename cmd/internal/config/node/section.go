package node

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Section is a group of keys. The keys that were asked for are the known ones;
// Done reports all others.
type Section struct {
	Doc    *Document
	Path   string
	Line   int
	values map[string]Value
	keys   map[string]*yaml.Node // where each key stands
	known  []string
	merged map[*yaml.Node]bool // the groups whose keys were taken over
	awaits bool                // a secret is read that may be missing now
}

// Section reads v as a group of keys, or reports that it is none.
func (v Value) Section() (*Section, bool) {
	n := v.target()
	if n.Kind != yaml.MappingNode {
		v.Fail("is "+v.kind(), "want a group of keys, each on a line of its own: key: value")
		return nil, false
	}
	s := &Section{Doc: v.Doc, Path: v.Path, Line: v.Line(), values: map[string]Value{}, keys: map[string]*yaml.Node{},
		merged: map[*yaml.Node]bool{}}
	s.fill(n)
	return s, true
}

// fill takes over the keys of n, then those that it merges (<<) and does not have itself.
func (s *Section) fill(n *yaml.Node) {
	s.merged[n] = true
	own := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			s.Doc.Fail(n.Content[i].Line, s.Path, "a key is not a plain word", "write key: value")
		case k.Tag == "!!merge" && len(merged) > 0:
			s.Doc.Fail(k.Line, s.Join("<<"), "the key stands twice, and which group counts is easily mistaken",
				"merge one group, and write the other keys out")
		case k.Tag == "!!merge":
			merged = append(merged, v)
		case own[k.Value] != 0:
			s.Doc.Fail(k.Line, s.Join(k.Value), fmt.Sprintf("the key stands twice, first in line %d", own[k.Value]),
				"keep one of them")
		default:
			own[k.Value] = k.Line
			if _, have := s.values[k.Value]; !have {
				s.keys[k.Value] = k
				s.values[k.Value] = Value{s.Doc, s.Join(k.Value), v}
			}
		}
	}
	for _, m := range merged {
		s.merge(m)
	}
}

// merge takes over what "<<: *anchor" stands for, once, since merges can lead back to
// themselves. In a list of groups the first would win without a word.
func (s *Section) merge(m *yaml.Node) {
	switch n := follow(m); {
	case n.Kind == yaml.SequenceNode:
		s.Doc.Fail(m.Line, s.Join("<<"), "a list of groups is merged, and which of them counts is easily mistaken",
			"merge one group (<<: *name), and write the other keys out")
	case n.Kind != yaml.MappingNode:
		s.Doc.Fail(m.Line, s.Join("<<"), "can't be merged", "want an alias of a group of keys: <<: *name")
	case !s.merged[n]:
		s.fill(n)
	}
}

// Join returns the path of a key of s.
func (s *Section) Join(key string) string {
	if s.Path == "" {
		return key
	}
	return s.Path + "." + key
}

// Take returns the value of key, if there is one, and makes the key known.
func (s *Section) Take(key string) (Value, bool) {
	s.known = append(s.known, key)
	v, ok := s.values[key]
	if ok && v.target().Tag == "!!null" {
		v.Fail("is empty", "give it a value or leave the key out")
		return v, false
	}
	return v, ok
}

// Blank reports whether key stands there with nothing behind it, and makes it known if so.
func (s *Section) Blank(key string) bool {
	v, ok := s.values[key]
	blank := ok && v.target().Tag == "!!null"
	if blank {
		s.known = append(s.known, key)
	}
	return blank
}

// Get returns the value of key without making the key known; the zero Value when there is none.
func (s *Section) Get(key string) Value { return s.values[key] }

// Know makes keys known that are not read.
func (s *Section) Know(keys ...string) { s.known = append(s.known, keys...) }

// Empty reports whether s has no key at all.
func (s *Section) Empty() bool { return len(s.values) == 0 }

// Need is Take for a key that must be there.
func (s *Section) Need(key, remedy string) (Value, bool) {
	v, ok := s.Take(key)
	if _, stands := s.values[key]; !stands {
		s.Doc.Fail(s.Line, s.Join(key), "is missing", remedy)
	}
	return v, ok
}

// Has reports whether any of the keys stands in the section.
func (s *Section) Has(keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { _, ok := s.values[k]; return ok })
}

// At returns the line of the first of the keys that stands in the Section, else the section's.
func (s *Section) At(keys ...string) (line int, path string) {
	for _, k := range keys {
		if n, ok := s.keys[k]; ok {
			return n.Line, s.Join(k)
		}
	}
	return s.Line, s.Path
}

// Sub returns the section at key; an empty one when it is not there or is none.
func (s *Section) Sub(key string) *Section {
	if v, ok := s.Take(key); ok {
		if sub, ok := v.Section(); ok {
			return sub
		}
	}
	return &Section{Doc: s.Doc, Path: s.Join(key), Line: s.Line}
}

// Done reports the keys that were not read.
func (s *Section) Done() {
	if s.Doc.Asked != nil {
		s.Doc.Asked(s.Path, s.known)
	}
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if !slices.Contains(s.known, key) {
			problem, remedy := settings.Unknown("key", key, s.known)
			s.Doc.Fail(s.keys[key].Line, s.Join(key), problem, remedy)
		}
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// Named returns the sections of a group whose keys are names of the operator's own.
func (s *Section) Named(key, what string) map[string]*Section {
	out := map[string]*Section{}
	v, ok := s.Take(key)
	if !ok {
		return out
	}
	group, ok := v.Section()
	if !ok {
		return out
	}
	for name, v := range group.values {
		if !nameForm.MatchString(name) {
			v.Doc.Fail(group.keys[name].Line, v.Path, "can't be the name of a "+what,
				"use letters, digits, -, _ and ., at most 63")
		}
		if v.target().Tag == "!!null" {
			v.Fail("is empty", "give it keys, or remove it")
		} else if sub, ok := v.Section(); ok {
			out[name] = sub
		}
	}
	return out
}
