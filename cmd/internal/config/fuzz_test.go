package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Whatever stands in the file, Load returns, and what is wrong has a place, a
// problem on one line and a remedy.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dir := f.TempDir()
	path := filepath.Join(dir, "dkimbot.yaml")
	if err := os.WriteFile(filepath.Join(dir, "more.yaml"), []byte(strings.Repeat("# more\n", 99)+"- a.example: wrong\n"),
		0o600); err != nil {
		f.Fatal(err)
	}
	env := func(string) (string, bool) { return "", false }
	f.Fuzz(func(t *testing.T, data []byte) {
		// No file outside may be waited for or read: paths that lead away are not the point here.
		var root yaml.Node
		if yaml.Unmarshal(data, &root) == nil && leadsAway(&root) {
			return
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := load(path, env)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		if err == nil {
			if c.Digest() == "" || len(c.RotateDomains()) != len(c.Domains) {
				t.Error("not whole")
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("got a %T: %v", err, err)
		}
		lines := 2
		for _, r := range string(data) {
			if strings.ContainsRune("\n\r\u0085\u2028\u2029", r) { // YAML 1.1 section 4.2
				lines++
			}
		}
		for _, e := range errs {
			if e.File == "" || e.Line < 1 || e.File == path && e.Line > lines || e.Problem == "" || e.Remedy == "" {
				t.Errorf("not complete (of %d lines): %+v", lines, e)
			}
		}
	})
}

// leadsAway reports a text that names a device, or files all over the machine.
func leadsAway(n *yaml.Node) bool {
	path := filepath.Clean(n.Value)
	return strings.Contains(path, "..") || strings.HasPrefix(path, "/dev") || strings.HasPrefix(path, "/proc") ||
		strings.HasPrefix(path, "/sys") ||
		strings.HasPrefix(path, "/") && strings.ContainsAny(path, `*?[`) || slices.ContainsFunc(n.Content, leadsAway)
}
