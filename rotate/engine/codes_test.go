package engine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// knownCodes returns the constants of package codes by name: of the block with the heading, or
// all where that is "".
func knownCodes(t *testing.T, heading string) map[string]codes.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../codes/codes.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]codes.Code{}
	for _, d := range file.Decls {
		block, ok := d.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST || heading != "" && block.Doc.Text() != heading+"\n" {
			continue
		}
		for _, spec := range block.Specs {
			v := spec.(*ast.ValueSpec)
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out[v.Names[0].Name] = codes.Code(text)
		}
	}
	return out
}

// note collects the codes that a plan gives.
func note(given map[codes.Code]bool, p rotate.DomainPlan) {
	given[p.Reason.Code], given[fault.CodeOf(p.Stop)] = true, true
	if p.Next != nil {
		given[p.Next.Reason.Code] = true
	}
	for _, s := range p.Steps {
		given[s.Reason.Code] = true
	}
}

// checkCodes holds the tests to every code that the planner's source knows.
func checkCodes(t *testing.T, given map[codes.Code]bool) {
	t.Helper()
	constant := regexp.MustCompile(`(?:Reason\{|Refuse\(|Code: )codes\.(\w+)`)
	values, known := knownCodes(t, ""), map[codes.Code]bool{}
	for _, file := range []string{"bootstrap", "switch", "drain", "replace", "plan", "draft", "checks", "provide",
		"repair", "waits"} {
		source, err := os.ReadFile("../plan/" + file + ".go")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
			known[values[m[1]]] = true
		}
	}
	for _, code := range slices.Sorted(maps.Keys(known)) {
		if !given[code] {
			t.Errorf("no test makes the planner say %s", code)
		}
	}
	if len(known) < 20 {
		t.Errorf("only %d codes were found in the source", len(known))
	}
}
