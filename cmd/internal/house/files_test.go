package house

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// mostFileLines is how many lines a Go file may have: one that is longer holds a second idea, also where it is a test.
const mostFileLines = 500

// TestFilesHaveASize: no file of the program or of its tests grows until its name no longer says what is in it.
func TestFilesHaveASize(t *testing.T) {
	files := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || hidden(e)):
			return fs.SkipDir
		case e.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		files++
		if n := bytes.Count(text, []byte("\n")); n > mostFileLines {
			t.Errorf("%s has %d lines, and %d are the most: give its second idea a file of its own", path, n, mostFileLines)
		}
		return err
	})
	if err != nil || files < 500 {
		t.Errorf("%d files; %v", files, err)
	}
}
