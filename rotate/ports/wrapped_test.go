package ports

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
)

// TestWrappedLosesNoAbility: every port that a signer may implement goes through a wrapper; one that is lost lets the daemon
// plan otherwise than the dry run (I11).
func TestWrappedLosesNoAbility(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "ports.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok || !strings.Contains(general.Doc.Text(), "implemented by signers") {
			continue
		}
		port := general.Specs[0].(*ast.TypeSpec)
		for _, method := range port.Type.(*ast.InterfaceType).Methods.List {
			found++
			if _, has := reflect.TypeFor[Wrapped]().MethodByName(method.Names[0].Name); !has {
				t.Errorf("Wrapped has no %s of the port %s", method.Names[0].Name, port.Name)
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d methods of ports that signers may implement were found", found)
	}
	var (
		_ Forgetter  = Wrapped{}
		_ Fetcher    = Wrapped{}
		_ Hastener   = Wrapped{}
		_ Withdrawer = Wrapped{}
		_ Lingerer   = Wrapped{}
		_ Unmixed    = Wrapped{}
		_ RSAOnly    = Wrapped{}
		_ Renamer    = Wrapped{}
		_ Tabled     = Wrapped{}
		_ Screener   = Wrapped{}
		_ Several    = Wrapped{}
		_ Prober     = Wrapped{}
	)
}
