package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/state"
)

// create makes the database at path unless it is there. It is made elsewhere and
// linked into place when it is whole, so that a database that is found empty or
// half-made is a damaged one, and of two processes one wins.
func create(ctx context.Context, path string) error {
	if there, err := found(path); there || err != nil {
		return err
	}
	dir := filepath.Dir(path)
	tmp, done, err := workspace(path)
	if err != nil {
		hint := "free space in " + dir + " or allow writing there"
		if errors.Is(err, fs.ErrNotExist) {
			hint = "make the directory " + dir + " first, with mode 0700"
		}
		return fault.Lasting("create the state database "+path, err, hint)
	}
	defer done()
	fresh := filepath.Join(tmp, "db")
	if err := build(ctx, fresh, path); err != nil {
		return err
	}
	if err := os.Link(fresh, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Lasting("create the state database "+path, err, "state.path must be on a file system with hard links")
	}
	return syncDir(dir)
}

// place returns path whole and without links, and whether nothing is in the way of a database there: the directories
// that lead to it, and the files of one that is there, belong only to root or the running
// user's. Whoever could replace them decides what dkimbot takes for done.
func place(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Lasting("open the state database", err, "run it in a directory that exists, or write state.path as an absolute path")
	}
	what := "open the state database " + path
	dir, name, err := safefile.Parent(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := safefile.MayMakeSafely(filepath.Dir(path)); err != nil {
			return "", unsafePlace(what, err) // before the directory is made there
		}
		return path, nil
	}
	if err != nil {
		return "", unsafePlace(what, err)
	}
	defer dir.Close()
	if err := dir.Check(); err != nil {
		return "", unsafePlace(what, err)
	}
	for _, part := range []string{"", "-wal", "-shm", "-journal"} {
		if err := dir.CheckEntry(name + part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", unsafePlace(what, err)
		}
	}
	return filepath.Join(dir.Path(), name), nil
}

// keepPrivate takes the database from readers, who could lock it, and so stop a revocation, and who
// would see the key that signs plans. It was made 0600; a copy that was put back may not be.
func keepPrivate(path string) {
	dir, name, err := safefile.Parent(path)
	if err != nil {
		return
	}
	defer dir.Close()
	for _, part := range []string{"", "-wal", "-shm"} {
		if info, err := dir.Lstat(name + part); err == nil && info.Mode.Perm()&0o077 != 0 {
			_ = dir.Chmod(name+part, 0o600) // root's, perhaps: then only root can
		}
	}
}

func unsafePlace(what string, err error) error {
	hint := safefile.Remedy(err)
	if hint == "" {
		hint = "the directory must be there and allow access"
	}
	return fault.Lasting(what, err, hint)
}

// found reports whether the database exists. Its log without it is lost state (I12).
func found(path string) (bool, error) {
	there, err := exists(path)
	if there || err != nil {
		return there, err
	}
	for _, left := range []string{path + "-wal", path + "-journal"} {
		if _, err := os.Lstat(left); err == nil {
			return false, fault.Refuse(codes.LostState, "open the state database "+path+": it is missing, but its log "+
				left+" is there",
				"restore both from a backup; only if this state is given up, remove the log")
		}
	}
	return false, nil
}

// build makes the database that is to stand at path; until it is whole it stands at fresh.
func build(ctx context.Context, fresh, path string) error {
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Lasting("create the state database "+path, err, "free space in "+filepath.Dir(path)+
			" or allow writing there")
	}
	f.Close()
	db, err := sql.Open("sqlite", dsn(fresh, writing+"&_journal_mode=WAL"))
	if err != nil {
		return broken(path, "create", err)
	}
	defer db.Close()
	if err := apply(ctx, db, path, 0, migrations()); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx,
		"INSERT INTO meta VALUES ('lineage', ?), ('created_at', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))", state.NewLineage())
	if err == nil {
		_, err = db.ExecContext(ctx, insertPlanKey, newPlanKey())
	}
	return broken(path, "create", errors.Join(err, db.Close()))
}

// syncDir makes the directory's new entry durable.
func syncDir(dir string) error {
	d, err := safefile.OpenDir(dir)
	if err != nil {
		return fault.Lasting("open the directory "+dir, err, "let the user that runs dkimbot read the directory")
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fault.Temporary("sync the directory "+dir, err, "check the disk")
	}
	return nil
}
