package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever can write the configuration, an included file or a directory on the way to
// one says which commands run: all belong to root or the running user, and nobody else can write them.
func TestWhoCanWriteTheConfiguration(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("run this test as root: it gives files away")
	}
	const other = 12345
	for name, c := range map[string]struct {
		path string
		mode fs.FileMode
		uid  int
		says string
	}{
		"file of another": {"etc/dkimbot.yaml", 0o644, other, "dkimbot.yaml:1: belongs to user 12345"},
		"file for everybody": {"etc/dkimbot.yaml", 0o646, 0,
			"dkimbot.yaml:1: can be written by everybody (mode 0646): run: chmod go-w"},
		"directory of another": {"etc", 0o755, other, "etc belongs to user 12345"},
		"directory for all":    {"etc", 0o777, 0, "etc can be written by everybody"},
		"above":                {".", 0o777, 0, "can be written by everybody"},
		"included file":        {"etc/domains.d/a.yaml", 0o664, 0, "a.yaml:1: can be written by group"},
		"included directory":   {"etc/domains.d", 0o775, 0, "domains.d can be written by group"},
		"link's directory":     {"elsewhere", 0o757, 0, "is a symbolic link, and others can write in its directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			for _, d := range []string{"etc/domains.d", "elsewhere"} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, "etc/dkimbot.yaml", 0o644, "include: [domains.d/*.yaml, ../elsewhere/b.yaml]\n")
			write(t, "etc/domains.d/a.yaml", 0o644, "[]\n")
			write(t, "b.yaml", 0o644, "[]\n")
			if err := os.Symlink("../b.yaml", "elsewhere/b.yaml"); err != nil {
				t.Fatal(err)
			}
			load := func() error {
				_, err := load(filepath.Join(dir, "etc/dkimbot.yaml"), os.LookupEnv)
				return err
			}
			if err := load(); err != nil && strings.Contains(err.Error(), ".yaml:1: ") &&
				!strings.Contains(err.Error(), "domains") {
				t.Fatal(err)
			}
			if err := os.Chmod(c.path, c.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(c.path, c.uid, 0); err != nil {
				t.Fatal(err)
			}
			if err := load(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
