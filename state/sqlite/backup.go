package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Copied says what a copy of a database holds.
type Copied struct {
	Domains int
	// LastChange is when the newest event of its history happened, zero when it has none.
	LastChange time.Time
}

// Backup copies the database at path, as it is at one moment, to the new file at to, with mode
// 0600. Other processes may write meanwhile. The copy is whole or not there; it is one
// file, which SQLite's own tools read, and Restore.
func Backup(ctx context.Context, path, to string) (Copied, error) {
	return copied(ctx, path, to, copying{attempt: "back up", change: "PRAGMA journal_mode = DELETE"})
}

// Restore makes the database at path of a copy that Backup made, of this version's dkimbot or of
// an older one's. Nothing may stand at path. No lease of the copy is held: who held it has
// lost this database. Each domain is to be looked after at once: what happened since the copy was made is not in it.
func Restore(ctx context.Context, from, path string) (Copied, error) {
	return copied(ctx, from, path, copying{attempt: "restore",
		change: "PRAGMA journal_mode = WAL; UPDATE leases SET owner = '', expires = 0", also: lookNow})
}

// lookNow makes each domain's turn to be looked after come now; a database of an older version has no turns.
func lookNow(ctx context.Context, db *sql.DB) error {
	var turns bool
	row := db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'looks'")
	if err := row.Scan(&turns); err != nil || !turns {
		return err
	}
	_, err := db.ExecContext(ctx, "UPDATE looks SET at = 0")
	return err
}

// copying says what a copy is made for: what is attempted, in errors, and the last changes that are made to the copy.
type copying struct {
	attempt string
	change  string                                      // in SQL
	also    func(ctx context.Context, db *sql.DB) error // nil for nothing more
}

// copied copies a database to a free place, where it appears when it is whole and its last changes are made.
func copied(ctx context.Context, from, to string, as copying) (Copied, error) {
	attempt := as.attempt
	from, err := place(from)
	if err != nil {
		return Copied{}, err
	}
	if to == "-" { // elsewhere it means standard output
		return Copied{}, fault.Lasting(attempt, errors.New("a database is not written to standard output"),
			"name a file that is not there yet, and hand it on when it is whole")
	}
	if there, err := os.Stat(to); err == nil && attempt == "back up" && !there.Mode().IsRegular() && !there.IsDir() {
		return Copied{}, fault.Lasting(attempt, fmt.Errorf("%s is not a file, and a database is not written in one go", to),
			"name a file that is not there yet, and hand it on when it is whole")
	}
	if to, err = place(to); err != nil {
		return Copied{}, err
	}
	if there, err := found(from); err != nil {
		return Copied{}, ofCopy(err, attempt)
	} else if !there {
		return Copied{}, absent(from)
	}
	if err := free(to, attempt); err != nil {
		return Copied{}, err
	}
	tmp, done, err := workspace(to)
	if err != nil {
		return Copied{}, fault.Lasting(attempt+" "+from+" to "+to, err,
			"the directory "+filepath.Dir(to)+" must be there, allow writing and have space")
	}
	defer done()
	fresh := filepath.Join(tmp, "db")
	if err := snapshot(ctx, from, fresh, to, attempt); err != nil {
		return Copied{}, ofCopy(err, attempt)
	}
	what, err := finish(ctx, fresh, as)
	if err != nil {
		return Copied{}, broken(from, attempt, noRoom(from, to, attempt, err))
	}
	return what, put(fresh, to, attempt)
}

// ofCopy says of a damaged copy what leads on: the state itself may be whole.
func ofCopy(err error, attempt string) error {
	if attempt == "restore" && fault.CodeOf(err) == codes.DamagedState {
		return &fault.Error{Kind: fault.Permanent, Code: codes.DamagedState, What: fault.Text(err),
			Hint: "restore another copy; this one is incomplete. " +
				"Without one, 'dkimbot adopt --all --from-keystore' takes the keys that are there"}
	}
	return err
}

// absent is the error where no database is.
func absent(path string) error {
	return fault.Lasting("open the state database "+path, fs.ErrNotExist, "check the path; state.path in the "+
		"configuration says where the state is, and before the first rotation there is none")
}

// free refuses a place where something stands: a state that is there is never replaced (I12).
func free(path, attempt string) error {
	for _, part := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(path + part); !errors.Is(err, fs.ErrNotExist) {
			return taken(path+part, attempt)
		}
	}
	return nil
}

func taken(path, attempt string) error {
	hint := "name a file that is not there yet"
	if attempt == "restore" {
		hint = "stop every dkimbot that uses it, move it away together with the files whose names begin with its own, " +
			"and run the same command again"
	}
	return fault.Refuse(codes.StateExists, attempt+": "+path+" is there already", hint)
}

// snapshot copies what is committed to a new file.
func snapshot(ctx context.Context, from, fresh, to, attempt string) error {
	f := &follower{path: from}
	r := reads{path: from, from: f}
	err := r.read(ctx, attempt, func(db *sql.DB) error {
		if _, err := schemaVersion(ctx, db, from, len(migrations())); err != nil {
			return err
		}
		if err := whole(ctx, db, from, attempt); err != nil {
			return err
		}
		if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, err := db.ExecContext(ctx, "VACUUM INTO ?", fresh)
		return noRoom(from, to, attempt, err)
	})
	return errors.Join(err, f.close())
}

// noRoom says of an error that the disk of the copy caused that it did: a database is read there, and none is changed.
func noRoom(from, to, attempt string, err error) error {
	var e *driver.Error
	if !errors.As(err, &e) || e.Code()&0xff != lib.SQLITE_FULL {
		return err
	}
	dir := filepath.Dir(to)
	return fault.Temporary(attempt+" "+from+" to "+to, fmt.Errorf("the file system of %s is full: %w", dir, err),
		"nothing was changed, and no part of the copy is left; free as much there as the database needs "+
			"(ls -l "+from+"; df "+dir+"), and run it again")
}

// whole refuses a database whose pages don't fit together (I12).
func whole(ctx context.Context, db *sql.DB, path, attempt string) error {
	var says string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&says); err != nil {
		return err
	}
	if says != "ok" {
		return damaged(path, attempt, errors.New(says))
	}
	return nil
}

// finish makes the last changes to the copy at path, makes it durable, and says what it holds.
func finish(ctx context.Context, path string, as copying) (what Copied, err error) {
	if err := os.Chmod(path, 0o600); err != nil {
		return what, err
	}
	db, err := sql.Open("sqlite", dsn(path, writing))
	if err != nil {
		return what, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var last sql.NullInt64
	row := db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM domains), (SELECT max(at) FROM history)")
	if err := row.Scan(&what.Domains, &last); err != nil {
		return what, err
	}
	if last.Valid {
		what.LastChange = time.Unix(0, last.Int64).UTC()
	}
	if _, err = db.ExecContext(ctx, as.change); err == nil && as.also != nil {
		err = as.also(ctx, db)
	}
	return what, err
}

// put gives the finished copy its name, which must be free.
func put(fresh, to, attempt string) error {
	f, err := os.Open(fresh)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return fault.Lasting("write "+to, err, "check the disk and its free space")
	}
	switch err := os.Link(fresh, to); {
	case errors.Is(err, fs.ErrExist):
		return taken(to, attempt)
	case err != nil:
		return fault.Lasting("write "+to, err, "it must be on a file system with hard links")
	}
	return syncDir(filepath.Dir(to))
}
