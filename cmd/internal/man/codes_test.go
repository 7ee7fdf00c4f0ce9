package man

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// constants calls see for the texts of the constants of a file that have a type, with the
// heading of the block that they stand in.
func constants(t *testing.T, path string, see func(heading, kind, value string)) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(top, path), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		block, ok := d.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		for _, spec := range block.Specs {
			if v := spec.(*ast.ValueSpec); v.Type != nil && word(v.Values[0]) != "" {
				see(strings.TrimSpace(block.Doc.Text()), nameOf(v.Type), word(v.Values[0]))
			}
		}
	}
}

// Every code of package codes stands in the section of dkimbot-codes(7) that its block names,
// and every code of the page is one of package codes, of the kind that its section is about.
func TestCodesStandInTheirPage(t *testing.T) {
	sections := map[string]map[string]bool{}
	heading := ""
	for _, b := range page(t, "dkimbot-codes.7").Blocks {
		if b.Kind == Section {
			heading = b.Text
			sections[heading] = map[string]bool{}
		}
		if b.Kind != Tagged {
			continue
		}
		for _, s := range spans(b.Tag) {
			if s.strong {
				sections[heading][s.text] = true
			}
		}
	}
	known, count := map[string]bool{}, 0
	see := func(block, kind, value string) {
		count++
		known[kind+" "+value] = true
		if heading := strings.TrimSuffix(block, "."); !sections[heading][value] {
			t.Errorf("the code %s stands not in the section %q of the page", value, heading)
		}
	}
	constants(t, "rotate/codes/codes.go", see)
	constants(t, "rotate/domain.go", func(_, kind, value string) {
		if kind == "Phase" {
			see("Phases", kind, value)
		}
	})
	if count < 170 {
		t.Errorf("read only %d codes", count)
	}
	kinds := map[string]string{"Steps and actions": "Action", "Outcomes": "Outcome", "Phases": "Phase"}
	for heading, words := range sections {
		kind := kinds[heading]
		if kind == "" {
			kind = "Code"
		}
		for value := range words {
			if !known[fmt.Sprint(kind, " ", value)] {
				t.Errorf("section %q of the page has the code %s, and the program does not know it", heading, value)
			}
		}
	}
}
