package sqlite_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

var start = time.Date(2026, 1, 31, 4, 0, 0, 0, time.UTC)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readOnly(t testing.TB, path string) state.Reader {
	t.Helper()
	r, err := sqlite.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func acquire(t testing.TB, s ports.Store, domain, owner string) ports.Lease {
	t.Helper()
	l, err := s.Acquire(t.Context(), ports.LeaseRequest{Domain: domain, Owner: owner, Now: start, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func save(t testing.TB, s ports.Store, l ports.Lease, st rotate.State, events ...rotate.Event) int64 {
	t.Helper()
	rev, err := s.Save(t.Context(), l, start, st, events...)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// raw opens the file past the store, as someone with a SQLite shell would.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// fill stores many domains quickly, one due, and one to be looked after, every second from start on,
// looks for an hour.
func fill(t testing.TB, path string, domains int) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for i := range domains {
		st := fullState(fmt.Sprintf("d%06d.example", i))
		st.Revision, st.Next.At = 1, start.Add(time.Duration(i)*time.Second)
		body, err := state.Encode(st)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO domains (domain, revision, phase, next_at, config, body) VALUES (?, 1, ?, ?, ?, ?)",
			st.Domain, string(st.Phase), state.Nanos(st.Next.At), st.Config, body); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO looks (domain, at) VALUES (?, ?)", st.Domain,
			state.Nanos(start.Add(min(time.Duration(i)*time.Second, time.Hour)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
