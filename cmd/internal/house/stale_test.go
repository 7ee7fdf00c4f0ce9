package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var testName = regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+)\(`)

// A section of a faults.txt whose test is no more would be taken for a text that somebody is shown.
func TestNoStaleSections(t *testing.T) {
	files := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && hidden(e):
			return fs.SkipDir
		case e.Name() != "faults.txt":
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.Dir(filepath.Dir(path))
		known := testsIn(t, filepath.Join(dir, "*_test.go"))
		if strings.HasSuffix(dir, "test") { // a suite's, for tests of other packages
			known = testsIn(t, root+"/*/*_test.go", root+"/*/*/*_test.go", root+"/*/*/*/*_test.go")
		}
		for line := range strings.Lines(string(text)) {
			section, ok := strings.CutPrefix(strings.TrimSpace(line), "== ")
			if name, _, _ := strings.Cut(section, "/"); ok && !known[name] {
				t.Errorf("%s: there is no test %s; UPDATE_FAULTS=1 writes the file again", path, name)
			}
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("read %d files: %v", files, err)
	}
}

// testsIn returns the names of the tests in the files.
func testsIn(t *testing.T, patterns ...string) map[string]bool {
	t.Helper()
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}
	return names
}
