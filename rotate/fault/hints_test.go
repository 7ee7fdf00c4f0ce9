package fault_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unhinted are the places where a fault has no hint of its own, each with the reason.
var unhinted = map[string]string{
	"rotate/simulate/ports.go: test":    "the simulation's own, which nobody sees",
	"rotate/simulate/ports.go: publish": "the simulation's own, which nobody sees",
}

// completed are functions whose faults get a hint later, where they have none, each with the reason.
var completed = map[string]string{
	"providers: transient": "Publish tells what helps against a failure that may pass",
}

// Whoever meets an error is told what to do next: every fault that is made in the
// program has a hint, or it is listed above with a reason.
func TestEveryFaultHasAHint(t *testing.T) {
	found, faults := map[string]bool{}, 0
	for dir, files := range sources(t, "../..") {
		hinted := hintParameters(files)
		for name := range hinted {
			if completed[strings.TrimPrefix(dir, "../../")+": "+name] != "" {
				delete(hinted, name)
			}
		}
		for path, file := range files {
			walkFaults(file, hinted, func(what string, hint ast.Expr) {
				faults++
				if !empty(hint) {
					return
				}
				place := filepath.Join(strings.TrimPrefix(dir, "../../"), filepath.Base(path)) + ": " + what
				found[place] = true
				if unhinted[place] == "" {
					t.Errorf("%s: a fault without a hint", place)
				}
			})
		}
	}
	for place := range unhinted {
		if !found[place] {
			t.Errorf("%s has a hint, or is no more: take it off the list", place)
		}
	}
	if faults < 250 {
		t.Errorf("only %d faults were found in the source", faults)
	}
}

// sources returns the parsed files of the program, by directory and path.
func sources(t *testing.T, root string) map[string]map[string]*ast.File {
	t.Helper()
	out := map[string]map[string]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && e.Name() != ".." || strings.HasSuffix(e.Name(), "test")):
			return fs.SkipDir // conformance suites and fakes are no part of the program
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		if out[dir] == nil {
			out[dir] = map[string]*ast.File{}
		}
		out[dir][path] = file
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hintParameters returns the functions of a package that are given a hint, and as
// which argument.
func hintParameters(files map[string]*ast.File) map[string]int {
	out := map[string]int{}
	for _, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := 0
			for _, p := range f.Type.Params.List {
				for _, name := range p.Names {
					if name.Name == "hint" {
						out[f.Name.Name] = at
					}
					at++
				}
			}
		}
	}
	return out
}

// walkFaults calls see for every fault that a file makes, with the beginning of
// what it says and the expression of its hint, nil where there is none.
func walkFaults(file *ast.File, hinted map[string]int, see func(what string, hint ast.Expr)) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			name := selected(n.Fun)
			if id, ok := n.Fun.(*ast.Ident); ok {
				if at, ok := hinted[id.Name]; ok && at < len(n.Args) {
					see(id.Name+" "+words(n.Args), n.Args[at])
				}
			}
			if slices.Contains([]string{"fault.Lasting", "fault.Temporary", "fault.Refuse"}, name) {
				see(words(n.Args), n.Args[2])
			}
		case *ast.CompositeLit:
			if selected(n.Type) == "fault.Error" {
				see(words(values(n)), field(n, "Hint"))
			}
		}
		return true
	})
}

func selected(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	id, _ := s.X.(*ast.Ident)
	return fmt.Sprint(id, ".", s.Sel.Name)
}

func field(lit *ast.CompositeLit, name string) ast.Expr {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == name {
			return kv.Value
		}
	}
	return nil
}

func values(lit *ast.CompositeLit) (out []ast.Expr) {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			out = append(out, kv.Value)
		}
	}
	return out
}

// words returns the first text that stands in the expressions.
func words(exprs []ast.Expr) (text string) {
	for _, e := range exprs {
		ast.Inspect(e, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && text == "" {
				text = strings.Trim(lit.Value, "\"`")
			}
			return text == ""
		})
	}
	return strings.TrimSpace(text)
}

func empty(e ast.Expr) bool {
	if e == nil {
		return true
	}
	lit, ok := e.(*ast.BasicLit)
	return ok && (lit.Value == `""` || lit.Value == "``")
}
