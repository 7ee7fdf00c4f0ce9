package main

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

const sample = `package p

func (s *State) f(a, b int, ks []*key) bool {
	for _, k := range []*key{s.key, s.next} {
		k.touch()
		k.Leaving()
	}
	if a < b && !s.done {
		s.n = max(a, b)
		s.n = max(a, s.count())
		return s.at.Before(s.to)
	}
	return false
}

func words(a, b string) bool { return a < b }
`

// TestMutate: each kind of change is found once, named without a line number, and what
// comes out is Go.
func TestMutate(t *testing.T) {
	next := 0
	text, mutants, err := mutate("sample.go", []byte(sample), &next)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "sample.go", text, 0); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var keys []string
	for _, m := range mutants {
		keys = append(keys, m.key)
	}
	for _, want := range []string{
		`*State.f: "[]*key{s.key, s.next}" without "s.next"`,
		`*State.f: drop "k.touch()"`,
		`*State.f: drop "k.Leaving()"`, // a name that is pure elsewhere
		`*State.f: "a < b && !s.done" without "!s.done"`,
		`*State.f: "a < b" -> "a <= b"`,
		`*State.f: drop "s.n = max(a, b)"`,
		`*State.f: "max(a, b)" without "b"`,
		`*State.f: "s.at.Before(s.to)" at the same time`,
		`*State.f: "s.at.Before(s.to)" is true`,
	} {
		if !slices.Contains(keys, want) {
			t.Errorf("there is no mutant %s among\n%s", want, strings.Join(keys, "\n"))
		}
	}
	if slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, "words") }) {
		t.Errorf("a function is changed that has to do with no state: %s", strings.Join(keys, "\n"))
	}
	if strings.Contains(text, "mutatedChoice") && strings.Count(text, "s.count()") != 1 {
		t.Error("a call that may change something is made twice")
	}
	if len(keys) != next {
		t.Errorf("%d mutants have %d numbers", len(keys), next)
	}
}

// TestReasons: a line without a reason accepts nothing.
func TestReasons(t *testing.T) {
	got := reasonsOf("# a comment\nf: drop \"x\"\tit is only a word\ng: drop \"y\"\n")
	if len(got) != 1 || got[`f: drop "x"`] != "it is only a word" {
		t.Errorf("got %v", got)
	}
}
