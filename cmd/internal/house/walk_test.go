package house

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

// root is the top of the repository, seen from here.
const root = "../../.."

// made is a place in the source that makes a fault.
type made struct {
	in   *ast.FuncDecl // the function that it stands in
	file string        // its path below root
	name string        // of the function of the package that makes it, or ""
	text []ast.Expr    // what it says
	hint ast.Expr      // nil where there is none
}

// place names it in lists: the file, and the beginning of what it says.
func (m made) place() string {
	text := words(m.text)
	if text == "" {
		text = words([]ast.Expr{m.hint})
	}
	return m.file + ": " + strings.TrimSpace(m.name+" "+text)
}

// sources returns the parsed files of the program, by directory and path.
func sources(t *testing.T) map[string]map[string]*ast.File {
	t.Helper()
	out := map[string]map[string]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || hidden(e) || strings.HasSuffix(e.Name(), "test")):
			return fs.SkipDir // conformance suites and fakes are no part of the program
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parse(fset, path)
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

func hidden(e fs.DirEntry) bool {
	return strings.HasPrefix(e.Name(), ".") && e.Name() != ".."
}

func parse(fset *token.FileSet, path string) (*ast.File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
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

// walkFaults calls see for every fault that a file makes.
func walkFaults(path string, file *ast.File, hinted map[string]int, see func(made)) {
	path, _ = filepath.Rel(root, path)
	for _, d := range file.Decls {
		in, _ := d.(*ast.FuncDecl)
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := called(n)
				if at, ok := hinted[name]; ok && at < len(n.Args) {
					see(made{in, path, name, slices.Delete(slices.Clone(n.Args), at, at+1), n.Args[at]})
				}
				switch selected(n.Fun) {
				case "fault.Lasting", "fault.Temporary":
					see(made{in, path, "", n.Args[:2], n.Args[2]})
				case "fault.Refuse":
					see(made{in, path, "", n.Args[1:2], n.Args[2]})
				}
			case *ast.CompositeLit:
				if selected(n.Type) == "fault.Error" {
					see(made{in, path, "", []ast.Expr{field(n, "What"), field(n, "Err")}, field(n, "Hint")})
				}
			case *ast.AssignStmt: // a hint that is found out later
				for i, to := range n.Lhs {
					if s, ok := to.(*ast.SelectorExpr); ok && s.Sel.Name == "Hint" && len(n.Lhs) == len(n.Rhs) {
						see(made{in, path, "", nil, n.Rhs[i]})
					}
				}
			}
			return true
		})
	}
}

// walkUsage calls see for every error that the command line makes: those that are no
// fault yet become one with the command's help as their hint.
func walkUsage(path string, file *ast.File, see func(made)) {
	path, _ = filepath.Rel(root, path)
	if !strings.HasPrefix(path, "cmd/internal/cli/") {
		return
	}
	for _, d := range file.Decls {
		in, _ := d.(*ast.FuncDecl)
		ast.Inspect(d, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && slices.Contains([]string{"errors.New", "fmt.Errorf"}, selected(call.Fun)) {
				see(made{in, path, "", []ast.Expr{call}, nil})
			}
			return true
		})
	}
}

// called returns the name of the function or method of the package that is called.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if id, ok := f.X.(*ast.Ident); ok && len(id.Name) <= 2 { // a receiver, not a package
			return f.Sel.Name
		}
	}
	return ""
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

// words returns the first text that stands in the expressions.
func words(exprs []ast.Expr) (text string) {
	for _, e := range exprs {
		if e == nil {
			continue
		}
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
