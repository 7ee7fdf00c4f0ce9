package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestBroken: what SQLite says is told with what to do. Real errors of a real database.
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

// TestInterruptedWrite: who is told to end writes nothing more.
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
