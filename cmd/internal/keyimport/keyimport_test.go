package keyimport

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestKeysInFiles: each way in which a file can hold no key is reported with what to do.
func TestKeysInFiles(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.pem")
	if err := os.WriteFile(text, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for title, file := range map[string]File{
		"none":           {Selector: "s1", Path: filepath.Join(dir, "none.pem")},
		"a directory":    {Selector: "s1", Path: dir},
		"no key":         {Selector: "s1", Path: text},
		"standard input": {Selector: "s1", Path: "-", In: strings.NewReader("hello\n")},
		"no selector":    {Selector: "S 1", Path: text},
	} {
		t.Run(title, func(t *testing.T) {
			f := &Finder{Source: Source{Files: []File{file}}}
			_, err := f.Find(context.Background(), rotate.Domain{Name: "example.com"})
			faulttest.Shown(t, err)
		})
	}
}
