package plan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPure: planning is given nothing that can write or read (I11). The package imports the
// words, the calendar, keys and faults, and of the standard library nothing that reaches out;
// it names none of the ports.
func TestPure(t *testing.T) {
	own := "github.com/dkimbot/dkimbot/"
	allowed := []string{own + "rotate", own + "rotate/calendar", own + "rotate/codes", own + "rotate/dkim", own +
		"rotate/fault",
		"cmp", "errors", "fmt", "maps", "slices", "strings", "time"}
	ports := []string{"KeyReader", "Keystore", "Looker", "Publisher", "SignerReader", "Signer", "Forgetter", "StateReader",
		"Store", "Names", "NameReader",
		"Quota", "QuotaReader", "Queue", "WorkQueue", "Clock"}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files; %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("I11: %s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "rotate" && slices.Contains(ports, s.Sel.Name) {
					t.Errorf("I11: %s names the port %s", name, s.Sel.Name)
				}
			}
			if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Now" || s.Sel.Name == "Sleep") {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s asks for the time itself", name)
				}
			}
			return true
		})
	}
}
