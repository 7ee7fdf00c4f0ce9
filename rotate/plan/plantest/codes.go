package plantest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Codes returns the constants of package codes by name: of the block with the heading, or
// all where that is "".
func Codes(t *testing.T, heading string) map[string]codes.Code {
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
