package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namedThere is what a comment names in another package, as in "see fault.Error".
var namedThere = regexp.MustCompile(`\b([a-z][a-z0-9]+)\.([A-Z]\w+)`)

// TestCommentsNameWhatExists: what a comment names in a package of this program is declared there. A name that was
// given to something else, or is no more, sends a reader to look for it.
func TestCommentsNameWhatExists(t *testing.T) {
	all, declared := commented(t), map[string]map[string]bool{}
	for _, file := range all {
		of := file.Name.Name
		if declared[of] == nil {
			declared[of] = map[string]bool{}
		}
		for _, d := range file.Decls {
			for _, name := range declares(d) {
				declared[of][name] = true
			}
		}
	}
	delete(declared, "http") // it has the name of a package of the standard library
	names := 0
	for path, file := range all {
		for _, comment := range file.Comments {
			for _, is := range namedThere.FindAllStringSubmatch(comment.Text(), -1) {
				if of, ours := declared[is[1]]; ours {
					if names++; !of[is[2]] {
						t.Errorf("%s: a comment names %s, which is not declared", path, is[0])
					}
				}
			}
		}
	}
	if names < 100 {
		t.Errorf("only %d names were found", names)
	}
}

// commented returns all files of the program and of its tests, with their comments, by path.
func commented(t *testing.T) map[string]*ast.File {
	out, fset := map[string]*ast.File{}, token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && hidden(e):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		out[path] = file
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// declares returns the names that a declaration makes at the top of its package.
func declares(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}
