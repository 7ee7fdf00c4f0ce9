package sqlite_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// A full disk is a fault that can go away: nothing is half-written, and when
// there is room again the same handle continues.
func TestDiskFull(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	dir := t.TempDir()
	mount(t, dir, 0)
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	st := fullState("example.com")
	l := acquire(t, s, st.Domain, "a")
	st.Revision = save(t, s, l, st)

	filler := filepath.Join(dir, "filler")
	fillDisk(t, filler)
	var err error
	for range 1000 { // the log may have room in it yet
		var rev int64
		if rev, err = s.Save(t.Context(), l, start, st,
			rotate.Event{Domain: st.Domain, Message: strings.Repeat("x", 10_000)}); err != nil {
			break
		}
		st.Revision = rev
	}
	faulttest.Shown(t, err)
	wantFull(t, dir, err)
	if got, err := s.Load(t.Context(), st.Domain); err != nil || got.Revision != st.Revision {
		t.Errorf("loaded revision %d, error %v; want %d", got.Revision, err, st.Revision)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "other.db")); err == nil || fault.HintOf(err) == "" {
		t.Errorf("making another database: error %v with hint %q", err, fault.HintOf(err))
	} else {
		faulttest.Shown(t, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "other.db")); err == nil {
		t.Error("half a database was made")
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	want := st.Revision + 1
	if got := save(t, s, l, st); got != want {
		t.Errorf("revision %d, want %d", got, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A copy for which there is no room names the disk of the copy, not the state's, which has room.
func TestBackupToFullDisk(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	path, dir := filepath.Join(t.TempDir(), "state.db"), t.TempDir()
	s := open(t, path)
	save(t, s, acquire(t, s, "example.com", "a"), fullState("example.com"))
	mount(t, dir, 0)
	fillDisk(t, filepath.Join(dir, "filler"))
	_, err := sqlite.Backup(t.Context(), path, filepath.Join(dir, "copy"))
	if err == nil || !strings.Contains(err.Error(), "the file system of "+dir+" is full") ||
		!strings.Contains(fault.HintOf(err), "no part of the copy is left") {
		t.Errorf("error %v with hint %q", err, fault.HintOf(err))
	}
	faulttest.Shown(t, err)
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left there: %v", left)
	}
}

// wantFull wants a fault that can go away and names the file system that is full.
func wantFull(t *testing.T, dir string, err error) {
	t.Helper()
	if err == nil || fault.KindOf(err) != fault.Transient || !strings.Contains(fault.HintOf(err), "Free some megabytes") ||
		!strings.Contains(err.Error(), "the file system of "+dir+" is full: ") {
		t.Errorf("error %v with hint %q, want a transient fault that names the full file system", err, fault.HintOf(err))
	}
}

// A process that comes when the disk is full can't even make the index of the log, of which SQLite says
// "disk I/O error". The cause is named, and with room again it continues.
func TestOpenOnFullDisk(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	dir := t.TempDir()
	mount(t, dir, 0)
	path, filler := filepath.Join(dir, "state.db"), filepath.Join(dir, "filler")
	s := open(t, path)
	st := rotate.State{Domain: "example.com"}
	st.Revision = save(t, s, acquire(t, s, st.Domain, "a"), st)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filler)
	_, err := sqlite.Open(t.Context(), path)
	faulttest.Shown(t, err)
	wantFull(t, dir, err)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	if got, err := s.Load(t.Context(), st.Domain); err != nil || got.Revision != st.Revision {
		t.Errorf("loaded revision %d, error %v; want %d", got.Revision, err, st.Revision)
	}
}

// On a read-only file system writing is refused, reading works, and later all continues.
func TestReadOnlyFileSystem(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	dir := t.TempDir()
	mount(t, dir, 0)
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	save(t, s, acquire(t, s, "example.com", "a"), rotate.State{Domain: "example.com"})
	s.Close()

	mount(t, dir, syscall.MS_REMOUNT|syscall.MS_RDONLY)
	for _, path := range []string{path, filepath.Join(dir, "other.db")} {
		_, err := sqlite.Open(t.Context(), path)
		faulttest.Shown(t, err)
		if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), "read") {
			t.Errorf("error %v with hint %q, want a permanent fault that names the file system", err, fault.HintOf(err))
		}
	}
	r := readOnly(t, path)
	if st, err := r.Load(t.Context(), "example.com"); err != nil || st.Revision != 1 {
		t.Errorf("revision %d, error %v", st.Revision, err)
	}
	r.Close()

	mount(t, dir, syscall.MS_REMOUNT)
	s = open(t, path)
	defer s.Close()
	save(t, s, acquire(t, s, "example.com", "a"), rotate.State{Domain: "example.com", Revision: 1})
}

// onSmallDisk reports whether the test may mount. If not, it has run the test in
// a child of its own mount namespace, so that no mount outlives it.
func onSmallDisk(t *testing.T) bool {
	const inside = "DKIMBOT_TEST_NAMESPACE"
	if os.Getenv(inside) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in a mount namespace (needs root or user namespaces): %v\n%s", err, out)
	}
	if err == nil && !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("the child did not run the test:\n%s", out)
	}
	return false
}

// mount puts a file system of a megabyte over dir, or changes the one there.
func mount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size=1m"); err != nil {
		t.Fatal(err)
	}
	if flags == 0 {
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	}
}

// fillDisk writes to file until there is no room.
func fillDisk(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := 4096; block > 0; block /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, block))
		}
	}
}
