package house

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	module    = "github.com/dkimbot/dkimbot/"
	codesPath = module + "rotate/codes"
)

// compiled is a package as the go command lists it.
type compiled struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// list returns the packages of the program and what they import, compiled.
func list(t *testing.T) map[string]compiled {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps",
		"-json=ImportPath,Dir,Export,GoFiles", "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]compiled{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p compiled
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// typesOf calls see for each file of the program, with the types of what it says.
func typesOf(t *testing.T, see func(fset *token.FileSet, file *ast.File, info *types.Info)) {
	t.Helper()
	all, fset := list(t), token.NewFileSet()
	imports := importer.ForCompiler(fset,
		"gc", func(path string) (io.ReadCloser, error) { return os.Open(all[path].Export) })
	for path, p := range all {
		if !strings.HasPrefix(path, module) || path == codesPath {
			continue
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parse(fset, filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		if _, err := (&types.Config{Importer: imports}).Check(path, fset, files, info); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			see(fset, file, info)
		}
	}
}

// A code stands once, in package codes: nothing else in the program makes a text a code, by
// whatever way, and each code there is used.
func TestCodesStandInOneFile(t *testing.T) {
	used := map[string]bool{}
	var known *types.Package
	typesOf(t, func(fset *token.FileSet, file *ast.File, info *types.Info) {
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			if s, ok := e.(*ast.SelectorExpr); ok { // codes.X, whatever it is used for
				e = s.Sel
			}
			if id, ok := e.(*ast.Ident); ok {
				if c, ok := info.Uses[id].(*types.Const); ok && c.Pkg() != nil && c.Pkg().Path() == codesPath {
					known, used[c.Name()] = c.Pkg(), true
					return false
				}
			}
			value := info.Types[e]
			name, ok := types.Unalias(value.Type).(*types.Named)
			if !ok || value.Value == nil || name.Obj().Pkg() == nil || name.Obj().Pkg().Path() != codesPath {
				return true
			}
			id, ok := e.(*ast.Ident)
			literal := !ok || types.Unalias(info.Uses[id].Type()) != types.Type(name) // such as a constant without a type
			if _, lit := e.(*ast.BasicLit); (lit || literal && ok) && constant.StringVal(value.Value) != "" {
				t.Errorf("%s: %s is a code in the program's text: use a constant of package codes",
					fset.Position(e.Pos()), value.Value)
			}
			return true
		})
	})
	if known == nil {
		t.Fatal("no code is used")
	}
	for _, name := range known.Scope().Names() {
		if c, ok := known.Scope().Lookup(name).(*types.Const); ok && !used[c.Name()] {
			t.Errorf("nothing gives the code codes.%s", name)
		}
	}
}
