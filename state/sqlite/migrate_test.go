package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// version1 makes the database that the first schema's dkimbot left behind.
func version1(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(string(script)); err != nil {
		t.Fatal(err)
	}
	return path
}

// A database of the first schema is brought up to date and keeps everything.
func TestMigrateFromVersion1(t *testing.T) {
	path := version1(t)
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Date(2026, 1, 31, 4, 0, 0, 0, time.UTC)
	if want := "11111111-2222-4333-8444-555555555555"; s.Lineage() != want {
		t.Errorf("lineage %s, want %s", s.Lineage(), want)
	}
	again, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if key := s.PlanKey(); len(key) < 32 || !bytes.Equal(key, again.PlanKey()) {
		t.Errorf("the key for plans that it was given does not stay")
	}
	want := rotate.State{
		Domain: "example.com", Revision: 7, Phase: rotate.Draining, Active: "s2", Draining: "s1", SwitchedAt: at,
		Config: "c0ffee",
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "k1", Version: 1,
			Record: "v=DKIM1; k=rsa; p=MII"}}},
		Next: &rotate.Next{Action: "replace", Selector: "s1", At: at,
			Reason: rotate.Reason{Code: "drain", Message: "mail in flight"}},
	}
	got, err := s.Load(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	events, err := s.History(t.Context(), "", 0)
	if err != nil || len(events) != 2 || events[1].Outcome != "done" {
		t.Errorf("history %+v, error %v", events, err)
	}
	if due, err := s.Due(t.Context(), at); err != nil || !slices.Equal(due, []string{"example.com"}) {
		t.Errorf("due %v, error %v", due, err)
	}
	soon := time.Now().Add(calendar.LookEvery + time.Minute)
	if looks, err := s.Looks(t.Context(), soon); err != nil || !slices.Equal(looks, []string{"example.com"}) {
		t.Errorf("within the hour %v are looked after, error %v", looks, err)
	}
	_, err = s.Acquire(t.Context(), ports.LeaseRequest{Domain: "example.com", Owner: "b", Now: at, TTL: time.Hour})
	var held *ports.HeldError
	lease := ports.Lease{Domain: "example.com", Owner: "a", Fence: 3, Expires: at.Add(time.Hour)}
	if !errors.As(err, &held) || held.Lease != lease {
		t.Errorf("error %v, want that the lease is held: %+v", err, lease)
	}
	if _, err := s.writer.db.Exec("UPDATE leases SET expires = expires + 1"); err != nil {
		// as its owner does, if it lives
		t.Fatal(err)
	}
	evict := ports.LeaseRequest{Domain: "example.com", Owner: "b", Now: at, TTL: time.Hour, Evict: &lease}
	if _, err := s.Acquire(t.Context(), evict); !errors.As(err, &held) {
		t.Errorf("error %v, want that the lease is held by an owner that has renewed it", err)
	}
	evict.Evict = &held.Lease
	if l, err := s.Acquire(t.Context(), evict); err != nil || l.Fence != 4 || l.TakenFrom != "a" {
		t.Errorf("lease %+v, error %v", l, err)
	}
}

func withScripts(scripts ...string) []string { return append(migrations(), scripts...) }

// Each migration happens wholly or not at all, and once though many try.
func TestMigrations(t *testing.T) {
	path := version1(t)
	db, err := sql.Open("sqlite", dsn(path, writing))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	next := len(migrations()) + 1
	good, bad := "CREATE TABLE more (a TEXT)", "CREATE TABLE half (a TEXT); INSERT INTO nowhere VALUES (1)"

	err = migrate(t.Context(), db, path, withScripts(good, bad))
	if err == nil || !strings.Contains(err.Error(), "migrate to schema version") {
		t.Fatalf("error %v, want one that names the migration", err)
	}
	if got := version(t, db); got != next {
		t.Errorf("version %d after the second of two failed, want %d", got, next)
	}
	if tables := names(t, db); slices.Contains(tables, "half") || !slices.Contains(tables, "more") {
		t.Errorf("tables %v", tables)
	}
	if _, err := Open(t.Context(), path); fault.CodeOf(err) != "newer-state" ||
		!strings.Contains(fault.HintOf(err), "a newer dkimbot wrote this") {
		t.Errorf("opening it with less: error %v with hint %q", err, fault.HintOf(err))
	} else {
		faulttest.Shown(t, err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := migrate(t.Context(), db, path, withScripts(good, "CREATE TABLE whole (a TEXT)")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := version(t, db); got != next+1 {
		t.Errorf("version %d, want %d", got, next+1)
	}
}

func version(t *testing.T, db *sql.DB) (v int) {
	t.Helper()
	if err := db.QueryRow("PRAGMA user_version").Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func names(t *testing.T, db *sql.DB) (names []string) {
	t.Helper()
	err := rows(t.Context(), db, "SELECT name FROM sqlite_schema WHERE type = 'table'", nil, func(row *sql.Rows) error {
		var name string
		err := row.Scan(&name)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
