package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestBroken: what SQLite says is reported with what to do. Real errors of a real database.
func TestBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open := func(options string) *sql.DB {
		db, err := sql.Open("sqlite", "file:"+path+options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db := open("")
	if _, err := db.Exec("CREATE TABLE x (y)"); err != nil {
		t.Fatal(err)
	}
	tx, err := open("?_txlock=immediate").Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	_, busy := db.Exec("INSERT INTO x VALUES (1)")
	_, readOnly := open("?mode=ro").Exec("INSERT INTO x VALUES (1)")
	_, mistake := db.Exec("SELECT z FROM x")
	for _, err := range []error{busy, readOnly, mistake, errors.New("the driver is lost")} {
		faulttest.Shown(t, broken("/var/lib/dkimbot/state.db", "save a.example", err))
	}
	faulttest.Shown(t, (&reads{path: "/var/lib/dkimbot/state.db"}).unsteady("list"))
}

// TestDirectoryNotSynced: a new database counts as made when its directory is on the disk.
func TestDirectoryNotSynced(t *testing.T) {
	for _, dir := range []string{"/nonexistent", "/proc"} {
		faulttest.Shown(t, syncDir(dir))
	}
}

// TestOlderReadOnly: a reader can't bring a database up to date.
func TestOlderReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.writer.db.Exec("PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err = OpenReadOnly(t.Context(), path)
	faulttest.Shown(t, err)
}

// TestInterruptedWrite: a process that is asked to end writes nothing more.
func TestInterruptedWrite(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	faulttest.Shown(t, s.writer.write(ctx, func(context.Context, *sql.Tx) error { return nil }))
}

// TestCopyFaults: each way in which a copy can fail says what to do.
func TestCopyFaults(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	show := func(_ Copied, err error) { faulttest.Shown(t, err) }
	show(Backup(t.Context(), path, filepath.Join(dir, "copy.db")))
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	show(Backup(t.Context(), path, filepath.Join(dir, "missing", "copy.db")))
	show(Backup(t.Context(), path, path))
	show(Restore(t.Context(), path, path))
	broken := filepath.Join(dir, "broken.db")
	if err := os.WriteFile(broken, []byte("no database, and long enough for one"), 0o600); err != nil {
		t.Fatal(err)
	}
	show(Restore(t.Context(), broken, filepath.Join(dir, "back.db")))
	faulttest.Shown(t, put("/nonexistent", filepath.Join(dir, "copy.db"), "back up"))
	faulttest.Shown(t, put(path, "/nonexistent/copy.db", "back up"))
}

// TestNowhere: a relative path in a directory that is gone.
func TestNowhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	_, err := place("state.db")
	faulttest.Shown(t, err)
}

// TestOtherUser: who forgot to become the user that dkimbot runs as hears that, and is not told to widen rights.
func TestOtherUser(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	const nobody = 65534
	mode := os.FileMode(0o600)
	if os.Geteuid() != 0 {
		mode = 0
	}
	for of, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o711, dir: 0o755, path: mode} {
		if err := os.Chmod(of, mode); err != nil {
			t.Fatal(err)
		}
	}
	found := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which is another user's now, ends with the goroutine
		if os.Geteuid() == 0 {
			unix.SetfsuidRetUid(nobody)
		}
		_, err := OpenReadOnly(context.Background(), path)
		found <- err
	}()
	err = <-found
	if !errors.Is(err, fs.ErrPermission) ||
		!strings.Contains(fault.HintOf(err), "run it as the user that dkimbot runs as") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
	faulttest.Shown(t, err)
}
