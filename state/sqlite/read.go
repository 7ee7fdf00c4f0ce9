package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/state"
)

// source gives the handle to read with, and a function that says afterwards
// whether what was read with it can be relied upon.
type source interface {
	handle(ctx context.Context) (db *sql.DB, steady func() bool, err error)
	// renew makes the next handle a new one.
	renew()
}

// reads holds the methods that read; they are the same for both kinds of handle.
type reads struct {
	path string
	origin
	from source
}

// origin is what was made together with the database.
type origin struct {
	lineage string
	planKey []byte
}

// Lineage implements state.Origin.
func (o *origin) Lineage() string { return o.lineage }

// PlanKey implements state.Origin.
func (o *origin) PlanKey() []byte { return o.planKey }

// A read starts over when the file changed under it, or when a writer that just
// started has yet to make the log's index. All tries together take ten seconds at most.
const (
	maxTries = 100
	tryAgain = 10 * time.Millisecond
	mostWait = 100 * time.Millisecond
)

// read runs ask until its answer can be relied upon. ask must start from nothing each time.
func (r *reads) read(ctx context.Context, attempt string, ask func(*sql.DB) error) error {
	for try := range maxTries {
		db, steady, err := r.from.handle(ctx)
		if err != nil {
			return err
		}
		err = ask(db)
		switch {
		case unready(err):
			if r.from.renew(); ctx.Err() != nil {
				return broken(r.path, attempt, ctx.Err())
			}
			pause(ctx, min(time.Duration(try+1)*tryAgain, mostWait))
		case steady():
			return broken(r.path, attempt, err)
		}
	}
	return r.unsteady(attempt)
}

func (r *reads) unsteady(attempt string) error {
	return fault.Temporary(attempt+": the state database "+r.path+" changed while it was read", nil, "try again")
}

func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// Load implements ports.StateReader.
func (r *reads) Load(ctx context.Context, domain string) (rotate.State, error) {
	var st rotate.State
	attempt := "load the state of " + domain
	err := r.read(ctx, attempt, func(db *sql.DB) error {
		var revision int64
		var body []byte
		row := db.QueryRowContext(ctx, "SELECT revision, body FROM domains WHERE domain = ?", domain)
		switch err := row.Scan(&revision, &body); {
		case errors.Is(err, sql.ErrNoRows):
			st = state.Fresh(domain)
			return nil
		case err != nil:
			return err
		}
		var err error
		if st, err = state.Decode(body, domain, revision); err != nil {
			return damaged(r.path, attempt, err)
		}
		return nil
	})
	if err != nil {
		return rotate.State{}, err
	}
	return st, nil
}

// List implements state.Lister.
func (r *reads) List(ctx context.Context) iter.Seq2[rotate.State, error] {
	const attempt = "list the states"
	return func(yield func(rotate.State, error) bool) {
		more, begun := true, false
		err := r.read(ctx, attempt, func(db *sql.DB) error {
			if begun { // what was yielded can't be taken back
				return r.unsteady(attempt)
			}
			return rows(ctx, db, "SELECT domain, revision, body FROM domains ORDER BY domain", nil, func(row *sql.Rows) error {
				st, err := r.scanState(row, attempt)
				if err != nil {
					return err
				}
				begun = true
				if more = yield(st, nil); !more {
					return io.EOF // ends the query; the caller has seen enough
				}
				return nil
			})
		})
		if more && err != nil {
			yield(rotate.State{}, err)
		}
	}
}

// severalQuery finds the rows of the domains in a JSON list, each by the primary key.
const severalQuery = "SELECT d.domain, d.revision, d.body FROM json_each(?) AS j CROSS JOIN domains AS d ON d.domain = j.value"

// Several implements state.Lister.
func (r *reads) Several(ctx context.Context, domains []string) ([]rotate.State, error) {
	const attempt = "load the states of several domains"
	list, err := json.Marshal(domains)
	if err != nil {
		return nil, broken(r.path, attempt, err)
	}
	var out []rotate.State
	err = r.read(ctx, attempt, func(db *sql.DB) error {
		type row struct {
			revision int64
			body     []byte
		}
		found := make(map[string]row, len(domains))
		err := rows(ctx, db, severalQuery, []any{string(list)}, func(of *sql.Rows) error {
			var domain string
			var has row
			err := of.Scan(&domain, &has.revision, &has.body)
			found[domain] = has
			return err
		})
		if err != nil {
			return err
		}
		out, err = state.DecodeAll(domains, func(domain string) ([]byte, int64, bool) {
			has, ok := found[domain]
			return has.body, has.revision, ok
		})
		if err != nil {
			return damaged(r.path, attempt, err)
		}
		return nil
	})
	return out, err
}

func (r *reads) scanState(row *sql.Rows, attempt string) (rotate.State, error) {
	var domain string
	var revision int64
	var body []byte
	if err := row.Scan(&domain, &revision, &body); err != nil {
		return rotate.State{}, err
	}
	st, err := state.Decode(body, domain, revision)
	if err != nil {
		return rotate.State{}, damaged(r.path, attempt, err)
	}
	return st, nil
}

// Fingerprints implements state.Lister.
func (r *reads) Fingerprints(ctx context.Context) (map[string]string, error) {
	var all map[string]string
	err := r.read(ctx, "read the configurations' fingerprints", func(db *sql.DB) error {
		all = map[string]string{}
		return rows(ctx, db, "SELECT domain, config FROM domains", nil, func(row *sql.Rows) error {
			var domain, config string
			err := row.Scan(&domain, &config)
			all[domain] = config
			return err
		})
	})
	return all, err
}

// dueQuery reads nothing but the due part of the index domains_due.
const dueQuery = "SELECT domain FROM domains WHERE next_at <= ? ORDER BY next_at, domain"

// Due implements state.Lister.
func (r *reads) Due(ctx context.Context, now time.Time) ([]string, error) {
	return r.names(ctx, "find what is due", dueQuery, state.Nanos(now))
}

// looksQuery reads nothing but the due parts of the index looks_due.
const looksQuery = "SELECT domain FROM (SELECT domain, at FROM looks WHERE at <= ? UNION ALL SELECT domain, " +
	"at FROM looks WHERE at > ?) ORDER BY at, domain"

// Looks implements state.Lister.
func (r *reads) Looks(ctx context.Context, now time.Time) ([]string, error) {
	return r.names(ctx, "find what is to be looked after", looksQuery, state.Nanos(now), state.Nanos(state.TooFar(now)))
}

// names runs a query for domains.
func (r *reads) names(ctx context.Context, attempt, query string, args ...any) ([]string, error) {
	var names []string
	err := r.read(ctx, attempt, func(db *sql.DB) error {
		names = nil
		return rows(ctx, db, query, args, func(row *sql.Rows) error {
			var domain string
			err := row.Scan(&domain)
			names = append(names, domain)
			return err
		})
	})
	return names, err
}

// failingQuery reads nothing but the states in the index domains_failing.
const failingQuery = "SELECT domain, revision, body FROM domains WHERE failures > 0 ORDER BY domain"

// Failing implements state.Lister.
func (r *reads) Failing(ctx context.Context) ([]rotate.State, error) {
	const attempt = "find what has failed"
	var failing []rotate.State
	err := r.read(ctx, attempt, func(db *sql.DB) error {
		failing = nil
		return rows(ctx, db, failingQuery, nil, func(row *sql.Rows) error {
			st, err := r.scanState(row, attempt)
			failing = append(failing, st)
			return err
		})
	})
	return failing, err
}

// History implements state.Historian.
func (r *reads) History(ctx context.Context, domain string, limit int) ([]rotate.Event, error) {
	query, args := "SELECT id, body FROM history ORDER BY id DESC LIMIT ?", []any{limit}
	if domain != "" {
		query, args = "SELECT id, body FROM history WHERE domain = ? ORDER BY id DESC LIMIT ?", []any{domain, limit}
	}
	if limit <= 0 {
		args[len(args)-1] = -1
	}
	var events []rotate.Event
	err := r.read(ctx, "read the history", func(db *sql.DB) error {
		events = nil
		return rows(ctx, db, "SELECT body FROM ("+query+") ORDER BY id", args, func(row *sql.Rows) error {
			var body []byte
			if err := row.Scan(&body); err != nil {
				return err
			}
			var e rotate.Event
			if err := json.Unmarshal(body, &e); err != nil {
				return damaged(r.path, "read the history", err)
			}
			events = append(events, e)
			return nil
		})
	})
	return events, err
}

// rows runs a query and hands each row to scan, until that fails.
func rows(ctx context.Context, db *sql.DB, query string, args []any, scan func(*sql.Rows) error) error {
	found, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		if err := scan(found); err != nil {
			return err
		}
	}
	return found.Err()
}
