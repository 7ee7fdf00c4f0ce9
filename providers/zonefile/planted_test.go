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

// daemonsZone makes a zone directory and file of the name server's user. root's stands beside it, where only
// root writes.
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
			if err == nil || !strings.Contains(err.Error(), tc.want) || fault.KindOf(err) != fault.Permanent ||
				fault.HintOf(err) == "" {
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

// TestDirectoryExchanged: once the zone's file is found, a link that takes its directory's place leads
// nothing elsewhere.
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

// TestIncludeOnBehalf: an $INCLUDE reads no file that those could not read themselves who can write the zone file, or
// a file on the way to it: they would read root's secrets through the answers (invariant I9). What they can
// read is followed.
func TestIncludeOnBehalf(t *testing.T) {
	const secret = "secret TXT topsecret\n"
	for name, tc := range map[string]struct {
		zone  func(dir, zone string) error // makes somebody able to write the zone
		there func(roots, file string) error
		want  string
	}{
		"owner, root's secret": {nil, func(_, file string) error { return os.Chmod(file, 0o600) },
			"root/file can't be read by user"},
		"owner, directory":    {nil, func(roots, _ string) error { return os.Chmod(roots, 0o700) }, "which user"},
		"owner, all may read": {nil, func(_, file string) error { return os.Chmod(file, 0o644) }, ""},
		"owner, his own": {nil, func(_, file string) error {
			return errors.Join(os.Chown(file, named, named), os.Chmod(file, 0o600))
		}, ""},
		"group, root's secret": {rootsWith(0o664), func(_, file string) error { return os.Chmod(file, 0o640) },
			"can't be read by group"},
		"group, the group's": {rootsWith(0o664), func(_, file string) error {
			return errors.Join(os.Chown(file, 0, named), os.Chmod(file, 0o640))
		}, ""},
		"everybody, root's secret": {rootsWith(0o666), func(_, file string) error {
			return errors.Join(os.Chown(file, 0, named), os.Chmod(file, 0o640))
		}, "can't be read by"},
		"directory's owner, root's zone": {func(_, zone string) error { return os.Chown(zone, 0, 0) },
			func(_, file string) error { return os.Chmod(file, 0o600) }, "can't be read by user"},
		"root alone": {rootsWith(0o644), func(_, file string) error { return os.Chmod(file, 0o600) }, ""},
		"by another file": {func(dir, _ string) error {
			return errors.Join(os.Chown(dir, 0, 0), os.Chown(dir+"/example.com.zone", 0, 0),
				os.WriteFile(dir+"/theirs", nil, 0o644), os.Chown(dir+"/theirs", named, named))
		}, func(_, file string) error { return os.Chmod(file, 0o600) }, "can't be read by user"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, roots := daemonsZone(t)
			file, zone := filepath.Join(roots, "file"), filepath.Join(dir, "example.com.zone")
			text := corpusHead + "$INCLUDE " + file + "\n"
			if name == "by another file" {
				text = corpusHead + "$INCLUDE theirs\n"
			}
			err := errors.Join(os.WriteFile(file, []byte(secret), 0o600), os.WriteFile(zone, []byte(text), 0o644))
			for up := filepath.Dir(roots); len(up) > len(os.TempDir()); up = filepath.Dir(up) {
				err = errors.Join(err, os.Chmod(up, 0o755)) // those on the way are passed by all
			}
			if tc.zone != nil {
				err = errors.Join(err, tc.zone(dir, zone))
			}
			if name == "by another file" {
				err = errors.Join(err, os.WriteFile(dir+"/theirs", []byte("$INCLUDE "+file+"\n"), 0o644))
			}
			if err := errors.Join(err, tc.there(roots, file)); err != nil {
				t.Fatal(err)
			}
			err = setOne(t, &Provider{Dir: dir})
			served := readZone("example.com.", zone)
			looked := Inspect(dir, "example.com")
			if tc.want == "" {
				if err != nil || served.err != nil || looked.Err != nil {
					t.Errorf("refused: %v, %v, %v", err, served.err, looked.Err)
				}
				return
			}
			for _, err := range []error{err, served.err, looked.Err} {
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "line ") ||
					strings.Contains(err.Error(), "topsecret") {
					t.Errorf("got %v, want the line and %q", err, tc.want)
				}
			}
			faulttest.Shown(t, err)
			if !strings.Contains(looked.Hint, "if everybody on this machine may know what it holds, run: chmod o+") {
				t.Errorf("hint %q", looked.Hint)
			}
		})
	}
}

// rootsWith gives the zone to root, with the name server's group and this mode.
func rootsWith(mode fs.FileMode) func(dir, zone string) error {
	return func(dir, zone string) error {
		return errors.Join(os.Chown(dir, 0, 0), os.Chown(zone, 0, named), os.Chmod(zone, mode))
	}
}

// TestFurtherNames: a zone file with a second name is refused by name and not changed: a change would reach
// one name only, and a name server that reads the other would never show the key.
func TestFurtherNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "example.com.zone")
	if err := errors.Join(os.WriteFile(path, []byte(corpusHead), 0o644), os.Link(path, dir+"/served")); err != nil {
		t.Fatal(err)
	}
	err := setOne(t, &Provider{Dir: dir})
	looked := Inspect(dir, "example.com")
	for err, hint := range map[error]string{err: fault.HintOf(err), looked.Err: looked.Hint} {
		if err == nil || !strings.Contains(err.Error(), "2 names (hard links)") ||
			!strings.Contains(hint, "-samefile "+path) {
			t.Errorf("got %v (hint %q)", err, hint)
		}
	}
	faulttest.Shown(t, err)
	if got, _ := os.ReadFile(path); string(got) != corpusHead {
		t.Errorf("the file became %q", got)
	}
	if err := errors.Join(os.Remove(dir+"/served"), os.Symlink(path, dir+"/served")); err != nil {
		t.Fatal(err)
	}
	if err := setOne(t, &Provider{Dir: dir}); err != nil {
		t.Errorf("as the hint says: %v", err)
	}
}
