package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"os"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// OpenReadOnly opens the state database at path for plans and status. It makes
// no file and changes no byte, also after a crash, and reads what is committed
// while other processes write. When nothing is at path the reader says so:
// every domain is new, Exists is false and Lineage "". Close the reader before the
// same process opens the same file with Open: SQLite would share the reader's
// inability to write.
func OpenReadOnly(ctx context.Context, path string) (state.Reader, error) {
	path, err := place(path)
	if err != nil {
		return nil, err
	}
	if there, err := found(path); err != nil {
		return nil, err
	} else if !there {
		return missing{}, nil
	}
	f := &follower{path: path}
	r := &readOnly{reads: reads{path: path, from: f}, follower: f}
	err = r.read(ctx, "open", func(db *sql.DB) error {
		version, err := schemaVersion(ctx, db, path, len(migrations()))
		if err != nil {
			return err
		}
		if version < len(migrations()) {
			return fault.Lasting("open the state database "+path+": an older dkimbot wrote it", nil,
				"run a command that writes, such as rotate --due, once: it brings the database up to date")
		}
		r.origin, err = readOrigin(ctx, db, path)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return r, nil
}

type readOnly struct {
	reads
	follower *follower
}

// Exists implements state.Origin.
func (r *readOnly) Exists() bool { return true }

// Close closes the database.
func (r *readOnly) Close() error { return r.follower.close() }

// follower chooses how to read without writing. While there is a log, SQLite
// reads it by itself, and readonly_shm keeps it from touching the log's index.
// Without a log no process writes, and immutable keeps SQLite from making one; but then
// it would not notice a writer that starts, so the file is looked at again after each read.
type follower struct {
	path string
	mu   sync.Mutex
	now  look
	dbs  []*sql.DB // the last one is in use
}

// look is what tells one content of the file from another.
type look struct {
	log      bool
	size     int64
	modified time.Time
}

// logHeader is how long a log is that nothing was written to yet (SQLite's file
// format, section 4.1). A writer that was killed may leave one, and SQLite gives up
// on it after ten seconds where it may not write ("locking protocol").
const logHeader = 32

func (f *follower) look() look {
	var l look
	if fi, err := os.Stat(f.path + "-wal"); err == nil && fi.Size() > logHeader {
		return look{log: true}
	}
	if fi, err := os.Stat(f.path); err == nil {
		l.size, l.modified = fi.Size(), fi.ModTime()
	}
	return l
}

// index returns why the log's index can't be found.
func (f *follower) index() error {
	_, err := os.Stat(f.path + "-shm")
	return err
}

// handle implements source.
func (f *follower) handle(ctx context.Context) (*sql.DB, func() bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.look()
	// The last writer that ends removes the index first, and then the log.
	for range maxTries {
		if !seen.log || f.index() == nil {
			break
		}
		pause(ctx, tryAgain)
		seen = f.look()
	}
	steady := func() bool { return f.look() == seen }
	if len(f.dbs) > 0 && f.now == seen {
		return f.dbs[len(f.dbs)-1], steady, nil
	}
	options := "mode=ro&immutable=1"
	if seen.log {
		options = "mode=ro&readonly_shm=1"
		if err := f.index(); err != nil {
			return nil, nil, fault.Lasting("open the state database "+f.path+" without writing: its log has lost its index", err,
				"run a command that writes, such as rotate --due, once: it makes the index again")
		}
	}
	db, err := sql.Open("sqlite", dsn(f.path, options))
	if err != nil {
		return nil, nil, broken(f.path, "open", err)
	}
	f.retire()
	f.now, f.dbs = seen, append(f.dbs, db)
	return db, steady, nil
}

// renew implements source.
func (f *follower) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retire()
	f.now = look{}
}

// retire lets the handle in use drop its connections, and with them its locks,
// as soon as no process reads with it.
func (f *follower) retire() {
	if len(f.dbs) > 0 {
		f.dbs[len(f.dbs)-1].SetMaxIdleConns(-1)
	}
}

func (f *follower) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, db := range f.dbs {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// missing reads a database that is not there.
type missing struct{}

func (missing) Load(_ context.Context, domain string) (rotate.State, error) {
	return state.Fresh(domain), nil
}
func (missing) List(context.Context) iter.Seq2[rotate.State, error] {
	return func(func(rotate.State, error) bool) {}
}
func (missing) Several(_ context.Context, domains []string) ([]rotate.State, error) {
	return state.DecodeAll(domains, func(string) ([]byte, int64, bool) { return nil, 0, false })
}
func (missing) Fingerprints(context.Context) (map[string]string, error) { return nil, nil }
func (missing) Due(context.Context, time.Time) ([]string, error)        { return nil, nil }
func (missing) Looks(context.Context, time.Time) ([]string, error)      { return nil, nil }
func (missing) Failing(context.Context) ([]rotate.State, error)         { return nil, nil }
func (missing) History(context.Context, string, int) ([]rotate.Event, error) {
	return nil, nil
}
func (missing) Switches(context.Context, time.Time) ([]ports.Begun, error) { return nil, nil }
func (missing) Holder(context.Context, string) (dkim.Name, error)          { return dkim.Name{}, nil }
func (missing) Kept(context.Context, string) (dkim.Name, rotate.State, error) {
	return dkim.Name{}, rotate.State{}, nil
}
func (missing) Lineage() string { return "" }
func (missing) PlanKey() []byte { return nil }
func (missing) Exists() bool    { return false }
func (missing) Close() error    { return nil }
