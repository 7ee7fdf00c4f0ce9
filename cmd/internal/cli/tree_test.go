package cli_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree tells everything that a write would change below dir: each file's and
// directory's mode, owner, size, inode, time of modification and content.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		content := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sha256.Sum256(data))
		}
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %s %d:%d size %d inode %d modified %d %s\n", rel, info.Mode(), st.Uid, st.Gid, info.Size(),
			st.Ino, info.ModTime().UnixNano(), content)
		return nil
	}))
	return b.String()
}

// unchanged runs f and wants every file below the directories left alone by it.
func unchanged(t testing.TB, f func(), dirs ...string) {
	t.Helper()
	before := make([]string, len(dirs))
	for i, d := range dirs {
		before[i] = tree(t, d)
	}
	f()
	for i, d := range dirs {
		if diff := cmp.Diff(before[i], tree(t, d)); diff != "" {
			t.Errorf("files below %s were changed:\n%s", d, diff)
		}
	}
}
