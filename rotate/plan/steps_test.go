package plan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoRuleReadsTheSteps: a rule decides by what is wanted, known and seen, and by what earlier rules say,
// never by the steps that they have planned. The plan is put together in three places.
func TestNoRuleReadsTheSteps(t *testing.T) {
	together := map[string][]string{"draft.go": {"step"}, "plan.go": {"plan"}, "adopt.go": {"PlanAdoption"}}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files; %v", len(files), err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || slices.Contains(together[path], fn.Name.Name) {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if ok && (s.Sel.Name == "Steps" || s.Sel.Name == "Runnable") {
					t.Errorf("%s: %s reads the steps of a plan", set.Position(s.Pos()), fn.Name.Name)
				}
				return true
			})
		}
	}
}
