package signertest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// PlantedLink puts a symbolic link to a file, or directory, of root's at a path, as the owner of theirs could do who
// may write there, and runs the adapter: it must be an error, and nothing may happen to what the link leads to.
func PlantedLink(t *testing.T, dir, theirs, link string, isDir bool, run func() error) {
	t.Helper()
	victim := filepath.Join(dir, "victim")
	if isDir {
		must(t, os.Mkdir(victim, 0o755))
	} else {
		must(t, os.WriteFile(victim, []byte("root's own\n"), 0o600))
	}
	before, err := os.Stat(victim)
	must(t, err)
	info, err := os.Stat(theirs)
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	if parent := filepath.Dir(link); parent != theirs {
		must(t, os.Mkdir(parent, 0o700))
		must(t, os.Chown(parent, int(st.Uid), int(st.Gid)))
	}
	must(t, os.Symlink(victim, link))
	must(t, os.Lchown(link, int(st.Uid), int(st.Gid)))
	if err := run(); err == nil {
		t.Error("no error")
	}
	after, err := os.Stat(victim)
	must(t, err)
	if after.Mode() != before.Mode() || after.Sys().(*syscall.Stat_t).Uid != before.Sys().(*syscall.Stat_t).Uid {
		t.Errorf("%s is %v of user %d", victim, after.Mode(), after.Sys().(*syscall.Stat_t).Uid)
	}
	if isDir {
		if files, _ := os.ReadDir(victim); len(files) > 0 {
			t.Errorf("%s holds %v", victim, files)
		}
	} else if text, _ := os.ReadFile(victim); string(text) != "root's own\n" {
		t.Errorf("%s holds %q", victim, text)
	}
}
