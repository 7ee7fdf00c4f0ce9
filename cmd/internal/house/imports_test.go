package house

import (
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// claim is what a package's documentation says of its imports, up to the end of the sentence.
var claim = regexp.MustCompile(`(?:[Ii]t|[Pp]ackage|They) (?:may import|imports) ([^.;]*)`)

// leaf is what documentation says of a package that every room may import.
const leaf = "It is a leaf"

// documentation returns what go doc says of the package in a directory, its words apart by one blank.
func documentation(t *testing.T, path string) (text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, path, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		text += " " + strings.Join(strings.Fields(file.Doc.Text()), " ")
	}
	return strings.TrimSpace(text)
}

// TestDocumentationNamesImports: each package has documentation, and what that says of imports is so.
func TestDocumentationNamesImports(t *testing.T) {
	all, text, leaves := rooms(t), map[string]string{}, map[string]bool{}
	for path := range all {
		text[path] = documentation(t, path)
		leaves[path] = strings.Contains(text[path], leaf)
		if text[path] == "" {
			t.Errorf("%s has no documentation", path)
		}
	}
	claims := 0
	for path, r := range all {
		said := ""
		for _, found := range claim.FindAllStringSubmatch(text[path], -1) {
			said += " " + found[1]
		}
		if leaves[path] {
			said += " the leaves"
			if !says(text["rotate"], path, false) {
				t.Errorf("%s is a leaf, and the documentation of rotate does not list it", path)
			}
		}
		if said == "" {
			continue
		}
		claims++
		for _, i := range slices.Sorted(maps.Keys(r.imports)) {
			if !says(said, i, leaves[i]) {
				t.Errorf("%s imports %s, and its documentation says that it imports%s", path, i, said)
			}
		}
	}
	if claims < 40 {
		t.Errorf("only %d packages say what they import", claims)
	}
}

// says reports whether a sentence about imports names that package.
func says(sentence, path string, isLeaf bool) bool {
	switch {
	case strings.Contains(sentence, "everything"), isLeaf && strings.Contains(sentence, "the leaves"):
		return true
	case strings.HasPrefix(path, "rotate/signer") && strings.Contains(sentence, "the packages of rotate/signer"):
		return true
	}
	return slices.Contains(strings.FieldsFunc(sentence, func(c rune) bool { return c == ' ' || c == ',' }), path)
}
