package config

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each rule of a driver has a file in testdata that breaks it, too: the remedy of every
// settings.Wrong in the drivers' files and in rotate/settings stands in one of the messages.
func TestRulesOfDrivers(t *testing.T) {
	var told strings.Builder
	for _, file := range goFiles(t, "testdata/bad/*.txt", "testdata/warn/*.txt", "agent_test.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(text)
	}
	rules := 0
	for _, file := range goFiles(t, "*.go", "../../../providers/*.go", "../../../rotate/signer/*/*.go",
		"../../../rotate/settings/*.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for place, remedy := range remedies(t, file) {
			rules++
			if !strings.Contains(told.String(), remedy) && !slices.Contains(notInFiles, remedy) {
				t.Errorf("%s: no file in testdata breaks the rule whose remedy is: %s", place, remedy)
			}
		}
	}
	if rules < 20 {
		t.Errorf("found %d rules; the test looks for them in the wrong places", rules)
	}
}

// notInFiles are the remedies of rules that the reader of files keeps by itself: only a program that
// fills in settings can break them.
var notInFiles = []string{
	"give each table a file of its own", // that both are one file is found as with any two files
}

// remedies returns the texts of the second argument of each call of Wrong, by place.
func remedies(t *testing.T, file string) map[string]string {
	t.Helper()
	fset, out := token.NewFileSet(), map[string]string{}
	tree, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		var name string
		switch f := call.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if name != "Wrong" {
			return true
		}
		ast.Inspect(call.Args[1], func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				text, _, _ = strings.Cut(text, "%")
				out[fset.Position(lit.Pos()).String()] = text
			}
			return true
		})
		return true
	})
	return out
}

func goFiles(t *testing.T, patterns ...string) (all []string) {
	t.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err = errors.Join(err); err != nil || len(files) == 0 {
			t.Fatalf("no files are %s: %v", pattern, err)
		}
		all = append(all, files...)
	}
	return all
}
