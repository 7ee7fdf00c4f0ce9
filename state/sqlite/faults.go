package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// broken turns an error of SQLite into a fault about the attempt on the database
// at path. What is a fault already stays as it is, and nil stays nil.
func broken(path, attempt string, err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	what := attempt + " in the state database " + path
	if attempt == "open" || attempt == "create" {
		what = attempt + " the state database " + path
	}
	if wasCutShort(err) {
		err = cutShort{err}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Interrupted(what, err)
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		return fault.Temporary(what, err, "try again; if it does not pass, look at the disk and its free space")
	}
	if known := unwritable(what, path, err); known != nil {
		return known
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fault.Temporary(what, err, "another process is writing to it; try again when that is done")
	case lib.SQLITE_IOERR:
		return fault.Temporary(what, err, "check the disk, its free space and the kernel's log")
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_AUTH, lib.SQLITE_CANTOPEN:
		if f, denied := os.Open(path); errors.Is(denied, fs.ErrPermission) {
			return fault.Lasting(what, fmt.Errorf("%w: %w", fs.ErrPermission, err),
				"run it as the user that dkimbot runs as, who owns the file: sudo -u USER dkimbot ... (ls -l "+path+")")
		} else if denied == nil {
			f.Close()
		}
		return fault.Lasting(what, err,
			"allow writing to the file and its directory; the file system may be mounted read-only")
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return damaged(path, attempt, err)
	}
	return fault.Lasting(what, err,
		"look at the file, its directory and the kernel's log; "+
			"a copy of it says whether the database is intact: sqlite3 COPY 'pragma integrity_check'")
}

// cutShort is the error of a call that ended because its context did: for errors.Is it is
// a context.Canceled, as it would be had the context ended a moment earlier.
type cutShort struct{ error }

func (c cutShort) Unwrap() error { return c.error }

func (cutShort) Is(target error) bool { return target == context.Canceled }

// wasCutShort knows the words for it: SQLite's own, and those of database/sql, which
// takes the transaction back between two statements.
func wasCutShort(err error) bool {
	var e *driver.Error
	return errors.Is(err, sql.ErrTxDone) || errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_INTERRUPT
}

// unready reports that a reader which may not write found the log's index not yet made.
func unready(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && (e.Code() == lib.SQLITE_READONLY_RECOVERY || e.Code() == lib.SQLITE_READONLY_CANTINIT)
}

// damaged reports a database that can't be relied upon (I12).
func damaged(path, attempt string, err error) error {
	return &fault.Error{
		Kind: fault.Permanent, Code: codes.DamagedState, What: attempt + ": the state database " + path +
			" is damaged", Err: err,
		Hint: "restore it from a backup; removing it would lose where every domain stands",
	}
}
