// Package sqlite keeps domains' states in one SQLite file.
//
// It promises that what Save has returned for survives a crash of the process
// and of the machine (write-ahead log, synchronous=FULL: an intent is durable
// before its effect, I7); that several processes may share the file, and each
// learns who holds a lease (I8); that a file which is damaged, missing its
// log's database, or written by a newer dkimbot is refused and never begun
// afresh (I12); and that a read-only handle changes no byte and makes no file (I11).
//
// Only SQLite may open the database file while a process has it open:
// closing any other descriptor would drop SQLite's locks.
//
// It may import state, rotate, rotate/ports and the leaves.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Store is an open state database; it implements state.Store.
type Store struct {
	reads
	writer *writer
	db     *sql.DB // for reading
	file   os.FileInfo
}

// Open opens the state database at path for reading and writing. It makes it,
// with mode 0600 in a directory that must exist, when nothing is there, and
// brings an older schema up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := place(path)
	if err != nil {
		return nil, err
	}
	keepPrivate(path)
	if err := create(ctx, path); err != nil {
		return nil, err
	}
	w, err := openWriter(path)
	if err != nil {
		return nil, err
	}
	made, err := prepare(ctx, w.db, path)
	if err != nil {
		w.close()
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=ro"))
	if err != nil {
		w.close()
		return nil, broken(path, "open", err)
	}
	file, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(broken(path, "open", err), db.Close(), w.close())
	}
	s := &Store{writer: w, db: db, file: file}
	w.stands = s.stands
	s.reads = reads{path: path, origin: made, from: s}
	return s, nil
}

// prepare migrates an existing database, gives one of an older dkimbot its key for
// plans, and returns its origin. It fails where writing is not possible.
func prepare(ctx context.Context, db *sql.DB, path string) (made origin, err error) {
	if err := migrate(ctx, db, path, migrations()); err != nil {
		return made, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return made, broken(path, "open", err)
	}
	defer tx.Rollback()
	made, err = readOrigin(ctx, tx, path)
	if err != nil || made.planKey != nil {
		return made, err
	}
	if _, err := tx.ExecContext(ctx, insertPlanKey, newPlanKey()); err != nil {
		return made, broken(path, "open", err)
	}
	if made, err = readOrigin(ctx, tx, path); err != nil {
		return made, err
	}
	return made, broken(path, "open", tx.Commit())
}

// handle implements source: the same handle serves for as long as the store is open.
func (s *Store) handle(context.Context) (*sql.DB, func() bool, error) {
	return s.db, func() bool { return true }, s.stands()
}

// renew implements source.
func (s *Store) renew() {}

// Exists implements state.Origin.
func (s *Store) Exists() bool { return true }

// Close writes the log back into the database, if this is its last user.
func (s *Store) Close() error {
	return errors.Join(s.db.Close(), s.writer.close())
}

// dsn names the database as a URI, so that no character of path has a meaning,
// with options for SQLite and its driver.
func dsn(path, options string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: options + "&_busy_timeout=10000"}
	return u.String()
}

// exists reports whether a file is at path, and refuses what can't be a database. What is no
// file was refused before; see place.
func exists(path string) (bool, error) {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fault.Lasting("open the state database "+path, err, "the directory must be there and allow access")
	case fi.Size() == 0: // SQLite would take it for a new one, and remove its log
		return false, damaged(path, "open", errors.New("it is empty"))
	}
	return true, nil
}
