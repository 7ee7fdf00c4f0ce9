package main

import (
	"fmt"
	"strings"
)

// render returns a part of the source with the changes of its sites built in. The
// sites are sorted: one comes before those that lie in it.
func (s *source) render(from, to int, sites []*site) string {
	var b strings.Builder
	for len(sites) > 0 {
		at := sites[0]
		inner := 1
		for inner < len(sites) && sites[inner].from < at.to {
			inner++
		}
		b.Write(s.text[from:at.from])
		b.WriteString(at.wrap(s.render(at.from, at.to, sites[1:inner])))
		from, sites = at.to, sites[inner:]
	}
	b.Write(s.text[from:to])
	return b.String()
}

// wrap returns the code that does what original does, or one of the changes.
func (s *site) wrap(original string) string {
	switch s.kind {
	case statement:
		return fmt.Sprintf("if !mutated(%d) { %s }", s.alts[0].id, original)
	case choice:
		out := original
		for _, a := range s.alts {
			out = fmt.Sprintf("mutatedChoice(%d, %s, %s)", a.id, out, a.text)
		}
		return out
	}
	result := "bool"
	if s.kind == list {
		result = "[]" + s.elem
		if !strings.HasPrefix(original, result+"{") { // an array
			original = "append(" + result + "{}, " + original[strings.Index(original, "{")+1:len(original)-1] + ")"
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "mutatedAt(func() %s { return %s }", result, original)
	for _, a := range s.alts {
		fmt.Fprintf(&b, ", mutantAlt[%s]{%d, %t, func() %s { return %s }}", result, a.id, a.harmless, result, a.text)
	}
	b.WriteString(")")
	return b.String()
}

// switchboard is the file that is added to each package that has mutants: it says which
// change is made. When it traces, it makes none, and notes which ones would have made a
// difference: only a test that sees one can notice it.
const switchboard = `package %s

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutantIs, _  = strconv.Atoi(os.Getenv("DKIMBOT_MUTANT"))
	mutantTrace  = mutantTraceTo(os.Getenv("DKIMBOT_MUTANT_TRACE"))
	mutantsTraced [1 << 16]atomic.Bool
)

func mutantTraceTo(path string) *os.File {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

func mutantReached(id int) {
	if mutantTrace != nil && !mutantsTraced[id].Swap(true) {
		fmt.Fprintln(mutantTrace, id)
	}
}

func mutated(id int) bool {
	mutantReached(id)
	return mutantIs == id
}

func mutatedChoice[T comparable](id int, original, other T) T {
	if original != other && mutated(id) {
		return other
	}
	return original
}

type mutantAlt[T any] struct {
	id       int
	harmless bool
	value    func() T
}

func mutatedAt[T any](original func() T, alts ...mutantAlt[T]) T {
	if mutantTrace == nil {
		for _, a := range alts {
			if a.id == mutantIs {
				return a.value()
			}
		}
		return original()
	}
	was := original()
	for _, a := range alts {
		if !mutantsTraced[a.id].Load() && a.differs(was) {
			mutantReached(a.id)
		}
	}
	return was
}

func (a mutantAlt[T]) differs(was T) (differs bool) {
	truth, ok := any(was).(bool)
	if !ok || !a.harmless {
		return true
	}
	defer func() { differs = recover() != nil || differs }()
	return any(a.value()) != any(truth)
}
`
