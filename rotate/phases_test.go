package rotate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestPhaseChangesInOnePlace: a phase is assigned in transitions.go and nowhere else, so that
// every way from phase to phase stands in its table. A new State may be New from the start.
func TestPhaseChangesInOnePlace(t *testing.T) {
	files := token.NewFileSet()
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "simulate" || strings.HasSuffix(d.Name(), "test") || d.Name() == "testdata" ||
			path == "../cmd/internal/notify" || strings.HasPrefix(d.Name(), ".") && path != ".."):
			// what models the world, scenes for tests, and documents that have a phase of their own
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			for _, e := range assigned(n) {
				if s, ok := e.(*ast.SelectorExpr); ok && s.Sel.Name == "Phase" {
					found++
					if filepath.Base(path) != "transitions.go" {
						t.Errorf("%s: a phase is changed beside State.enter", files.Position(s.Pos()))
					}
				}
			}
			if phase := stateIn(n); phase != "" && phase != "New" {
				t.Errorf("%s: a state is made in phase %s", files.Position(n.Pos()), phase)
			}
			return true
		})
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("%d assignments of a phase are found, want 1; %v", found, err)
	}
}

// assigned returns what a statement assigns to, or takes the address of.
func assigned(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		return n.Lhs
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	}
	return nil
}

// stateIn returns the phase in which a State is made, "" for none.
func stateIn(n ast.Node) string {
	lit, ok := n.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	name := lit.Type
	if s, ok := name.(*ast.SelectorExpr); ok {
		name = s.Sel
	}
	if id, ok := name.(*ast.Ident); !ok || id.Name != "State" {
		return ""
	}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Phase" {
				value := kv.Value
				if s, ok := value.(*ast.SelectorExpr); ok {
					value = s.Sel
				}
				if id, ok := value.(*ast.Ident); ok {
					return id.Name
				}
				return "of another state"
			}
		}
	}
	return ""
}
