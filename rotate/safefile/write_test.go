package safefile_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

func TestMkdirAdoptsNothing(t *testing.T) {
	theirs, mine := strangersDir(t), victim(t)
	d, err := safefile.OpenDir(theirs)
	must(t, err)
	defer d.Close()
	must(t, os.Symlink(filepath.Dir(mine), filepath.Join(theirs, "keys")))
	if _, err := d.Mkdir("keys", safefile.As{Mode: 0o700, UID: stranger, GID: stranger}); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	_, err = safefile.MakeDir(filepath.Join(theirs, "keys"), safefile.Ours(0o755), safefile.Ours(0o700))
	refused(t, err, "is a symbolic link")
	must(t, os.Mkdir(filepath.Join(theirs, "made"), 0o777))
	must(t, os.Chown(filepath.Join(theirs, "made"), stranger, stranger))
	_, err = safefile.MakeDir(filepath.Join(theirs, "made"), safefile.Ours(0o755), safefile.Ours(0o700))
	refused(t, err, "belongs to user 12345")
	unharmed(t, mine)
}

func TestMakeDirMakesOwnerAndModeWhateverTheUmask(t *testing.T) {
	asRoot(t)
	defer syscall.Umask(syscall.Umask(0o777))
	top := filepath.Join(t.TempDir(), "a")
	must(t, os.Chmod(filepath.Dir(top), 0o755))
	d, err := safefile.MakeDir(filepath.Join(top, "b", "c"), safefile.Ours(0o755),
		safefile.As{Mode: 0o750, UID: stranger, GID: stranger})
	must(t, err)
	defer d.Close()
	must(t, d.Write("f", nil, safefile.Ours(0o644)))
	for path, want := range map[string]fs.FileMode{"": 0o755, "b": 0o755, "b/c": 0o750, "b/c/f": 0o644} {
		info, err := os.Lstat(filepath.Join(top, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

func TestAppendRefusesFilesOfOthers(t *testing.T) {
	for name, plant := range map[string]func(mine, name string) error{
		"is a symbolic link": os.Symlink, "hard links": os.Link,
		"belongs to user 12345": func(_, name string) error {
			return errors.Join(os.WriteFile(name, nil, 0o666), os.Chown(name, stranger, stranger))
		},
		"is a pipe": func(_, name string) error { return syscall.Mkfifo(name, 0o666) },
	} {
		theirs, mine := strangersDir(t), victim(t)
		must(t, plant(mine, filepath.Join(theirs, "log")))
		d, err := safefile.OpenDir(theirs)
		must(t, err)
		_, _, err = d.Append("log", safefile.Ours(0o600))
		refused(t, err, name)
		_, err = d.Lock(t.Context(), "log")
		refused(t, err, name)
		unharmed(t, mine)
		d.Close()
	}
}

func TestAStuckLockIsNamed(t *testing.T) {
	d, err := safefile.OpenDir(t.TempDir())
	must(t, err)
	defer d.Close()
	must(t, os.WriteFile(filepath.Join(d.Path(), "lock"), nil, 0o644))
	unlock, err := d.Lock(t.Context(), "lock")
	must(t, err)
	if info, err := d.Lstat("lock"); err != nil || info.Mode != 0o600 {
		t.Fatalf("readers could hold the lock: %v, %v", info.Mode, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = d.Lock(ctx, "lock")
	held := (*safefile.Locked)(nil)
	if !errors.As(err, &held) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), held.Path) {
		t.Fatal(err)
	}
	if len(held.PIDs) != 1 || held.PIDs[0] != os.Getpid() {
		t.Errorf("the holder is not named: %v", err)
	}
	unlock()
	unlock, err = d.Lock(t.Context(), "lock")
	must(t, err)
	unlock()
}

func TestLeftOversAreSwept(t *testing.T) {
	d, err := safefile.OpenDir(t.TempDir())
	must(t, err)
	defer d.Close()
	must(t, os.WriteFile(filepath.Join(d.Path(), ".f.new-KILLED"), nil, 0o600))
	live, err := d.Create("f", safefile.Ours(0o600))
	must(t, err)
	must(t, d.Write("f", []byte("1"), safefile.Ours(0o600)))
	if _, err := live.Write([]byte("2")); err != nil {
		t.Fatal(err)
	}
	if err := live.Link(); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	must(t, live.Replace())
	live.Discard()
	entries, err := d.Entries()
	if text, _ := d.Read("f", 9); err != nil || len(entries) != 1 || !bytes.Equal(text, []byte("2")) {
		t.Fatalf("%v %q %v", entries, text, err)
	}
	if _, err := d.Read("../f", 9); !errors.Is(err, syscall.EINVAL) {
		t.Fatal(err)
	}
}

// Who writes a file for another user gives it away before it has its name, and may be killed just
// after that (I7). What a third user put there is left alone (I6).
func TestLeftOversThatWereGivenAwayAreSwept(t *testing.T) {
	theirs := strangersDir(t)
	d, err := safefile.OpenDir(theirs)
	must(t, err)
	defer d.Close()
	for name, uid := range map[string]int{".f.new-KILLED": stranger, ".f.new-THIRD": stranger + 1} {
		path := filepath.Join(theirs, name)
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Chown(path, uid, uid))
	}
	must(t, d.Write("f", []byte("1"), safefile.As{Mode: 0o600, UID: stranger, GID: stranger}))
	entries, err := d.Entries()
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	if want := []string{".f.new-THIRD", "f"}; !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
}

// A sweep takes no temporary file from a writer, however close it comes to the
// moment at which the file is made.
func TestSweepWhileWriting(t *testing.T) {
	d, err := safefile.OpenDir(t.TempDir())
	must(t, err)
	defer d.Close()
	written := make(chan struct{})
	var sweepers sync.WaitGroup
	for range 4 {
		sweepers.Go(func() {
			for {
				select {
				case <-written:
					return
				default:
					d.Sweep(".f.new-")
				}
			}
		})
	}
	for n := 1; n <= 300; n++ {
		p, err := d.Create("f", safefile.Ours(0o600))
		if err != nil {
			continue // swept ten times before it was locked
		}
		if _, err := d.Lstat(p.Temp()); err != nil {
			t.Errorf("of temporary file %d nothing is left", n)
		}
		p.Discard()
	}
	close(written)
	sweepers.Wait()
}

// What is no file is never replaced: the promise that nothing but files is written. A device such as
// /dev/null, which root may name, is every process's.
func TestWriteRefusesWhatIsNoFile(t *testing.T) {
	for found, plant := range map[string]func(path string) error{
		"is a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"is a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"is a socket":    func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) },
		"is a device": func(path string) error {
			if os.Geteuid() != 0 {
				return os.Symlink("/dev/null", path) // a trusted link is followed to it
			}
			return syscall.Mknod(path, syscall.S_IFCHR|0o666, 1<<8|3)
		},
	} {
		t.Run(found, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			must(t, plant(path))
			before, err := os.Stat(path)
			must(t, err)
			refused(t, safefile.Write(path, []byte("x"), safefile.Ours(0o600)), found)
			after, err := os.Stat(path)
			if entries, _ := os.ReadDir(dir); err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() ||
				len(entries) != 1 {
				t.Errorf("it was %v and is %v (%v), beside %v", before.Mode(), after, err, entries)
			}
		})
	}
}

// The same holds for what comes to stand there while the file is written.
func TestReplaceRefusesWhatIsNoFile(t *testing.T) {
	d, err := safefile.OpenDir(t.TempDir())
	must(t, err)
	defer d.Close()
	p, err := d.Create("f", safefile.Ours(0o600))
	must(t, err)
	must(t, syscall.Mkfifo(filepath.Join(d.Path(), "f"), 0o600))
	refused(t, p.Replace(), "is a pipe")
	p.Discard()
	if info, err := d.Lstat("f"); err != nil || info.Mode&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe is %v, %v", info.Mode, err)
	}
}

// TestOverwrite: a file of the user's own is written over where it stands when the length is the same, and nothing else
// is: no file of another length, no link and what it leads to, none with a second name, none of others.
func TestOverwrite(t *testing.T) {
	path := t.TempDir()
	d, err := safefile.OpenDir(path)
	must(t, err)
	defer d.Close()
	at := func(name string) string { return filepath.Join(path, name) }
	must(t, os.WriteFile(at("f"), []byte("before"), 0o600))
	must(t, d.Overwrite("f", []byte("after.")))
	must(t, os.WriteFile(at("two"), []byte("before"), 0o600))
	must(t, os.Link(at("two"), at("names")))
	must(t, os.WriteFile(at("target"), []byte("before"), 0o600))
	must(t, os.Symlink("target", at("link")))
	must(t, os.WriteFile(at("theirs"), []byte("before"), 0o600))
	must(t, os.Chown(at("theirs"), 12345, -1))
	for name, text := range map[string]string{"f": "longer than before", "missing": "any", "two": "after.", "link": "after.",
		"theirs": "after."} {
		if err := d.Overwrite(name, []byte(text)); err == nil {
			t.Errorf("%s was written over", name)
		}
	}
	for name, want := range map[string]string{"f": "after.", "two": "before", "target": "before", "theirs": "before"} {
		if text, err := os.ReadFile(at(name)); string(text) != want {
			t.Errorf("%s holds %q, %v; want %q", name, text, err, want)
		}
	}
}
