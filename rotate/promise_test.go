package rotate_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestPromiseNamesFiles: the files that PROMISE.md names as those that hold an invariant are there.
func TestPromiseNamesFiles(t *testing.T) {
	text, err := os.ReadFile("PROMISE.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		there[filepath.Base(path)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z_]+\\.go)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 8 {
		t.Fatalf("only %d files are named", len(named))
	}
	for _, name := range named {
		if !there[name[1]] {
			t.Errorf("PROMISE.md names %s, which is not there", name[1])
		}
	}
}
