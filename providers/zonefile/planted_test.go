package zonefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// named is the name server's user, who owns the zone directory.
const named = 12345

// daemonsZone makes a zone directory and file of the name server's user. root's stands beside it, where only root writes.
func daemonsZone(t *testing.T) (dir, roots string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("%s gives files to other users and needs root; leave it out with -skip %s", t.Name(), t.Name())
	}
	dir, roots = filepath.Join(t.TempDir(), "zones"), filepath.Join(t.TempDir(), "root")
	file := filepath.Join(dir, "example.com.zone")
	err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(roots, 0o755), os.WriteFile(file, []byte(corpusHead), 0o644))
	if err := errors.Join(err, os.Chown(dir, named, named), os.Chown(file, named, named)); err != nil {
		t.Fatal(err)
	}
	return dir, roots
}

func plantLink(to, at string) error {
	os.Remove(at)
	return errors.Join(os.Symlink(to, at), os.Lchown(at, named, named))
}

func statOf(t *testing.T, path string) (uid, gid uint32, mode fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return st.Uid, st.Gid, info.Mode()
}

// TestPlanted: what the owner of the zone directory put there makes root neither give a file away, nor change its
// mode, nor edit a file elsewhere.
func TestPlanted(t *testing.T) {
	for name, tc := range map[string]struct {
		plant func(dir, roots string) error
		want  string
	}{
		"hard link as lock": {func(dir, roots string) error {
			return os.Link(roots+"/log", dir+"/.dkimbot-example.com.lock")
		}, "2 names (hard links)"},
		"hard link as reload lock": {func(dir, roots string) error {
			return os.Link(roots+"/log", dir+"/.dkimbot-reloading.lock")
		}, "2 names (hard links)"},
		"a third user's lock": {func(dir, _ string) error {
			path := dir + "/.dkimbot-example.com.lock"
			return errors.Join(os.WriteFile(path, nil, 0o666), os.Chown(path, named+1, named+1))
		}, "belongs to user"},
		"link as zone file": {func(dir, roots string) error {
			return plantLink(roots+"/example.com.zone", dir+"/example.com.zone")
		}, "is a symbolic link"},
		"link as zone file without suffix": {func(dir, roots string) error {
			return errors.Join(os.Remove(dir+"/example.com.zone"), plantLink(roots+"/example.com.zone", dir+"/example.com"))
		}, "is a symbolic link"},
		"link as included file": {func(dir, roots string) error {
			return errors.Join(plantLink(roots+"/log", dir+"/included"),
				os.WriteFile(dir+"/example.com.zone", []byte(corpusHead+"$INCLUDE included\n"), 0o644))
		}, "is a symbolic link"},
		"link as directory": {func(dir, roots string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Chown(filepath.Dir(dir), named, named), plantLink(roots, dir))
		}, "is a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, roots := daemonsZone(t)
			for file, text := range map[string]string{"log": "", "example.com.zone": corpusHead} {
				path := filepath.Join(roots, file)
				if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o666)); err != nil {
					t.Fatal(err)
				}
			}
			if err := tc.plant(dir, roots); err != nil {
				t.Fatal(err)
			}
			err := setOne(t, &Provider{Dir: dir, Reload: []string{"true"}})
			if err == nil || !strings.Contains(err.Error(), tc.want) || fault.KindOf(err) != fault.Permanent || fault.HintOf(err) == "" {
				t.Errorf("got %v (hint %q), want %q", err, fault.HintOf(err), tc.want)
			} else {
				faulttest.Shown(t, err)
			}
			for file, text := range map[string]string{"log": "", "example.com.zone": corpusHead} {
				path := filepath.Join(roots, file)
				if uid, gid, mode := statOf(t, path); uid != 0 || gid != 0 || mode != 0o666 {
					t.Errorf("root's %s became %d:%d %v", file, uid, gid, mode)
				}
				if got, _ := os.ReadFile(path); string(got) != text {
					t.Errorf("root's %s became %q", file, got)
				}
			}
			if files, _ := os.ReadDir(roots); len(files) != 2 {
				t.Errorf("root's directory holds %v", files)
			}
		})
	}
}

// TestDirectoryExchanged: once the zone's file is found, a link that takes its directory's place leads nothing elsewhere.
func TestDirectoryExchanged(t *testing.T) {
	dir, roots := daemonsZone(t)
	if err := os.WriteFile(filepath.Join(roots, "example.com.zone"), []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := load("load", dir, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := errors.Join(os.Rename(dir, dir+".old"), plantLink(roots, dir)); err != nil {
		t.Fatal(err)
	}
	if err := d.store("new", d.info); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir+".old", "example.com.zone")); string(got) != "new" {
		t.Errorf("the zone file that was found holds %q", got)
	}
	files, _ := os.ReadDir(roots)
	if got, _ := os.ReadFile(filepath.Join(roots, "example.com.zone")); string(got) != "root's" || len(files) != 1 {
		t.Errorf("root's directory holds %v, the file in it %q", files, got)
	}
}

// TestDaemonsDirectory: root changes a zone in a directory of the name server's user. The file stays that user's, the
// lock is too, and one that an older version gave to that user is taken.
func TestDaemonsDirectory(t *testing.T) {
	for _, old := range []bool{false, true} {
		dir, _ := daemonsZone(t)
		lock := filepath.Join(dir, ".dkimbot-example.com.lock")
		if old {
			if err := errors.Join(os.WriteFile(lock, nil, 0o600), os.Chown(lock, named, named)); err != nil {
				t.Fatal(err)
			}
		}
		if err := setOne(t, &Provider{Dir: dir, Reload: []string{"true"}}); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]fs.FileMode{lock: 0o600, filepath.Join(dir, "example.com.zone"): 0o644} {
			if uid, gid, mode := statOf(t, path); uid != named || gid != named || mode != want {
				t.Errorf("%s: %d:%d %v", path, uid, gid, mode)
			}
		}
		if got, _ := os.ReadFile(filepath.Join(dir, "example.com.zone")); !strings.Contains(string(got), beginMark) {
			t.Errorf("the zone file holds %q", got)
		}
	}
}
