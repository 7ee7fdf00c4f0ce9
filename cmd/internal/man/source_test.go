package man

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const top = "../../.."

// forTests are the folders of what serves tests only.
var forTests = regexp.MustCompile(`test$|^fake|^testdata$|^simulate$|^mutation$`)

// source calls see for each file of the program below dir, and for its syntax. What
// serves tests only is left out.
func source(t *testing.T, dir string, see func(path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(top, dir), func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && forTests.MatchString(name):
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		see(path, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// word returns the string that an expression is as it stands, "" for none.
func word(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		s, _ := strconv.Unquote(lit.Value)
		return s
	}
	return ""
}

// nameOf returns the last part of a name: "Refuse" of fault.Refuse.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// described returns the words that stand for themselves in the tags of the page.
func described(p Page) map[string]bool {
	out := map[string]bool{}
	for _, b := range p.Blocks {
		if b.Kind != Tagged {
			continue
		}
		for _, s := range spans(b.Tag) {
			if s.strong {
				out[s.text] = true
			}
		}
	}
	return out
}

// written returns a page of the folder pages.
func page(t *testing.T, name string) Page {
	t.Helper()
	text, err := written.ReadFile("pages/" + name + ".md")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
