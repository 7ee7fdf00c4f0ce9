package safefile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// stranger is a user who is neither root nor the one who runs the test.
const stranger = 12345

// These tests need a second user: they run as root, as CI does.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("run this test as root: it plants what another user could")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// strangersDir makes a directory that belongs to the stranger.
func strangersDir(t *testing.T) string {
	t.Helper()
	asRoot(t)
	dir := filepath.Join(t.TempDir(), "theirs")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Chown(dir, stranger, stranger))
	return dir
}

// victim is a file of root that no stranger may change.
func victim(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
	return path
}

func unharmed(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); string(text) != "precious" || info.Mode().Perm() != 0o600 || st.Uid != 0 {
		t.Fatalf("the victim is now %q, mode %v, user %d", text, info.Mode(), st.Uid)
	}
}

func refused(t *testing.T, err error, says string) {
	t.Helper()
	if r := (*safefile.Refused)(nil); !errors.As(err, &r) || !strings.Contains(err.Error(), says) ||
		safefile.Remedy(err) == "" {
		t.Fatalf("want a refusal that says %q and names a way out, got: %v", says, err)
	}
}

func TestReadRefusesWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "large"), make([]byte, 101), 0o600))
	must(t, os.Symlink("/dev/zero", filepath.Join(dir, "endless")))
	must(t, os.Symlink("fifo", filepath.Join(dir, "link")))
	for path, says := range map[string]string{
		filepath.Join(dir, "fifo"): "is a pipe", filepath.Join(dir, "link"): "is a pipe",
		dir: "is a directory", "/": "is a directory", "/dev/zero": "is a device",
		filepath.Join(dir, "endless"): "is a device",
		filepath.Join(dir, "large"):   "is larger than 100 octets", "/proc/self/maps": "is made up by the kernel",
	} {
		_, err := safefile.Read(path, 100)
		refused(t, err, says)
	}
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	_, err = safefile.Read(fmt.Sprintf("/dev/fd/%d", r.Fd()), 100)
	refused(t, err, "is a pipe")
	if _, err := safefile.Read(filepath.Join(dir, "missing"), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// A file that grows after it was opened stays bounded.
func TestReadOfAGrowingFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	must(t, os.WriteFile(path, make([]byte, 100), 0o600))
	f, err := safefile.Open(path, 100)
	must(t, err)
	defer f.Close()
	must(t, os.WriteFile(path, make([]byte, 101), 0o600))
	_, err = safefile.ReadAll(f, 100)
	refused(t, err, "is larger than 100 octets")
}

// What the kernel makes up while it is read is refused at once and unread, also under another name: reading
// /proc/kmsg waits for the next message and takes it away from others.
func TestReadDoesNotWaitForTheKernel(t *testing.T) {
	asRoot(t)
	link := filepath.Join(t.TempDir(), "dkimbot.yaml")
	must(t, os.Symlink("/proc/kmsg", link))
	done := make(chan error)
	go func() {
		for _, path := range []string{"/proc/kmsg", link, "/proc/self/mounts"} {
			_, err := safefile.Read(path, 1<<20)
			done <- err
			_, err = readTrusted(path, 1<<20)
			done <- err
		}
	}()
	for range 6 {
		select {
		case err := <-done:
			refused(t, err, "is made up by the kernel")
		case <-time.After(time.Minute):
			t.Fatal("it waits")
		}
	}
}

// A Kubernetes secret: links below a directory that only root can write.
func TestReadFollowsLinksOfRoot(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	must(t, os.Mkdir(filepath.Join(dir, "..2024"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "..2024", "token"), []byte("t"), 0o600))
	must(t, os.Symlink("..2024", filepath.Join(dir, "..data")))
	must(t, os.Symlink("..data/token", filepath.Join(dir, "token")))
	if text, err := readTrusted(filepath.Join(dir, "token"), 10); err != nil || string(text) != "t" {
		t.Fatalf("%q, %v", text, err)
	}
	must(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	if _, err := safefile.Read(filepath.Join(dir, "loop"), 10); !errors.Is(err, syscall.ELOOP) {
		t.Fatal(err)
	}
}

func TestLinksOfOthersAreNotFollowed(t *testing.T) {
	theirs, mine := strangersDir(t), victim(t)
	planted := filepath.Join(theirs, "link")
	must(t, os.Symlink(mine, planted))
	must(t, os.Symlink(filepath.Dir(mine), filepath.Join(theirs, "dir")))
	for _, path := range []string{planted, filepath.Join(theirs, "dir", "victim")} {
		_, err := safefile.Read(path, 100)
		refused(t, err, "is a symbolic link, and user 12345 owns its directory")
		refused(t, safefile.Write(path, []byte("x"), safefile.Ours(0o644)), "is a symbolic link")
	}
	_, err := safefile.OpenDir(filepath.Join(theirs, "dir"))
	refused(t, err, "is a symbolic link")
	if d, err := safefile.OpenDir(filepath.Join(theirs, "dir"), stranger); err != nil {
		t.Fatal(err)
	} else {
		d.Close()
	}
	sticky := t.TempDir()
	must(t, os.Chmod(sticky, 0o777|fs.ModeSticky))
	must(t, os.Symlink(mine, filepath.Join(sticky, "link")))
	must(t, os.Lchown(filepath.Join(sticky, "link"), stranger, stranger))
	_, err = safefile.Read(filepath.Join(sticky, "link"), 100)
	refused(t, err, "user 12345 put it there")
	unharmed(t, mine)
}

// Whatever link or file stands at the name: the write replaces it and touches nothing else.
func TestWriteReplacesWhatWasPlanted(t *testing.T) {
	for _, plant := range []struct {
		name string
		how  func(mine, name string) error
	}{{"symlink", os.Symlink}, {"hard link", os.Link}, {"their file", func(_, name string) error {
		return errors.Join(os.WriteFile(name, nil, 0o666), os.Chown(name, stranger, stranger))
	}}} {
		theirs, mine := strangersDir(t), victim(t)
		must(t, plant.how(mine, filepath.Join(theirs, "table")))
		d, err := safefile.OpenDir(theirs)
		must(t, err)
		must(t, d.Write("table", []byte("new"), safefile.As{Mode: 0o640, UID: stranger, GID: stranger}))
		unharmed(t, mine)
		info, err := d.Lstat("table")
		if err != nil || info.Mode != 0o640 || info.UID != stranger || info.Size != 3 || info.Links != 1 {
			t.Fatalf("%s: %+v, %v", plant.name, info, err)
		}
		if left, err := d.Entries(); err != nil || len(left) != 1 {
			t.Fatalf("%s: %v, %v", plant.name, left, err)
		}
		d.Close()
	}
}

// Attempted as the stranger, while root works in the directory: every exchange of names
// leaves what is outside it alone.
func TestNothingIsGivenAwayWhileNamesAreExchanged(t *testing.T) {
	theirs, mine := strangersDir(t), victim(t)
	script := `cd "$1" && while [ ! -e stop ]; do for f in keys table .*.new-*; do rm -rf "$f"; ln -s "$2" "$f"; rm -f "$f"; ln -s "$3" "$f"; done; done 2>/dev/null`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", theirs, mine, filepath.Dir(mine))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	must(t, cmd.Start())
	d, err := safefile.OpenDir(theirs)
	must(t, err)
	defer d.Close()
	as := safefile.As{Mode: 0o644, UID: stranger, GID: stranger}
	for range 300 {
		_ = d.Write("table", []byte("attack"), as)
		if s, err := d.Mkdir("keys", safefile.As{Mode: 0o755, UID: stranger, GID: stranger}); err == nil {
			_ = s.Write("key", []byte("k"), as)
			s.Close()
		}
	}
	must(t, os.WriteFile(filepath.Join(theirs, "stop"), nil, 0o644))
	_ = cmd.Wait()
	unharmed(t, mine)
	if info, err := os.Stat(filepath.Dir(mine)); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Fatal("the victim's directory was given away", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(mine)); len(entries) != 1 {
		t.Fatalf("something was written beside the victim: %v", entries)
	}
}

func TestCheckNamesWhoCouldExchangeAFile(t *testing.T) {
	theirs := strangersDir(t)
	must(t, os.WriteFile(filepath.Join(theirs, "conf"), []byte("x"), 0o644))
	_, err := readTrusted(filepath.Join(theirs, "conf"), 10)
	refused(t, err, theirs+" belongs to user 12345")
	if _, err := readTrusted(filepath.Join(theirs, "conf"), 10, stranger); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(t.TempDir(), "conf")
	must(t, os.WriteFile(mine, []byte("x"), 0o644))
	for _, c := range []struct {
		path string
		mode fs.FileMode
		says string
	}{{mine, 0o664, "can be written by group"}, {mine, 0o646, "can be written by everybody"},
		{filepath.Dir(mine), 0o775, "can be written by group"},
		{filepath.Dir(mine), 0o757, "can be written by everybody"}} {
		info, err := os.Stat(c.path)
		must(t, err)
		must(t, os.Chmod(c.path, c.mode))
		_, err = readTrusted(mine, 10)
		refused(t, err, c.path+" "+c.says)
		must(t, os.Chmod(c.path, info.Mode().Perm()))
	}
	must(t, os.Chown(mine, stranger, 0))
	_, err = readTrusted(mine, 10)
	refused(t, err, mine+" belongs to user 12345")
}

// readTrusted reads a file that steers dkimbot.
func readTrusted(path string, limit int64, also ...int) ([]byte, error) {
	f, err := safefile.OpenTrusted(path, limit, also...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return safefile.ReadAll(f, limit)
}
