package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

func sqliteOpenReadOnly(t *testing.T, path string) (state.Reader, error) {
	return sqlite.OpenReadOnly(t.Context(), path)
}

// I12: a damaged database is refused by both kinds of handle, and stays as it is.
func TestDamagedDatabase(t *testing.T) {
	for name, test := range map[string]struct {
		code   string
		damage func(path string) error
	}{
		"emptied": {"damaged-state", func(p string) error { return os.Truncate(p, 0) }},
		"emptied, with a log": {"damaged-state", func(p string) error {
			return errors.Join(os.Rename(p, p+"-wal"), os.WriteFile(p, nil, 0o600))
		}},
		"cut in half": {"damaged-state", func(p string) error { return os.Truncate(p, 20_000) }},
		"other content": {"damaged-state",
			func(p string) error { return overwrite(p, 0, strings.Repeat("not a database ", 300)) }},
		"pages zeroed": {"damaged-state",
			func(p string) error { return overwrite(p, 4096, strings.Repeat("\x00", 40_000)) }},
		"other database": {"damaged-state", func(p string) error { return execute(p, "PRAGMA application_id = 7") }},
		"no lineage": {"damaged-state",
			func(p string) error { return execute(p, "DELETE FROM meta WHERE key = 'lineage'") }},
		"a newer schema":   {"newer-state", func(p string) error { return execute(p, "PRAGMA user_version = 99") }},
		"gone but its log": {"lost-state", func(p string) error { return os.Rename(p, p+"-wal") }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			open(t, path).Close()
			fill(t, path, 20)
			open(t, path).Close() // writes the log back
			if err := test.damage(path); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, dir)
			_, err1 := sqlite.Open(t.Context(), path)
			_, err2 := sqlite.OpenReadOnly(t.Context(), path)
			for _, err := range []error{err1, err2} {
				faulttest.Shown(t, err)
				if string(fault.CodeOf(err)) != test.code || fault.HintOf(err) == "" || fault.KindOf(err) == fault.Transient {
					t.Errorf("error %v, code %q, hint %q; want code %q", err, fault.CodeOf(err), fault.HintOf(err), test.code)
				}
			}
			for file, was := range before {
				if file == "state.db-shm" {
					continue // not content: SQLite's index of the log
				}
				if now := snapshot(t, dir)[file]; now != was {
					t.Errorf("%s was %s and is %s", file, was, now)
				}
			}
		})
	}
}

// A state that can't be read is never taken for a new domain (I12).
func TestDamagedState(t *testing.T) {
	for _, body := range []string{"{}", "", `{"domain":"d000000.example","revision":7}`, `{"domain":`} {
		path := filepath.Join(t.TempDir(), "state.db")
		s := open(t, path)
		defer s.Close()
		fill(t, path, 1)
		if _, err := raw(t, path).Exec("UPDATE domains SET body = ?", body); err != nil {
			t.Fatal(err)
		}
		if st, err := s.Load(t.Context(), "d000000.example"); fault.CodeOf(err) != "damaged-state" {
			t.Errorf("body %q: state %+v, error %v", body, st, err)
		} else {
			faulttest.Shown(t, err)
		}
		for st, err := range s.List(t.Context()) {
			faulttest.Shown(t, err)
			if fault.CodeOf(err) != "damaged-state" {
				t.Errorf("body %q: listed %+v, error %v", body, st, err)
			}
		}
	}
}

func TestPathsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing", "state.db"), dir, filepath.Join(dir, "file", "state.db")} {
		_, err := sqlite.Open(t.Context(), path)
		faulttest.Shown(t, err)
		if err == nil || fault.KindOf(err) != fault.Permanent || fault.HintOf(err) == "" ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v with hint %q", path, err, fault.HintOf(err))
		}
	}
}

func TestFileModeAndName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "odd ?name#1%20&mode=ro;é.db")
	s := open(t, path)
	save(t, s, acquire(t, s, "example.com", "a"), rotate.State{Domain: "example.com"})
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		if fi, err := os.Stat(file); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%v, error %v; want mode 0600", fi, err)
		}
	}
	s.Close()
	if st, err := readOnly(t, path).Load(t.Context(), "example.com"); err != nil || st.Revision != 1 {
		t.Errorf("revision %d, error %v", st.Revision, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, error %v", entries, err)
	}
}

// Of many that make the database at once, all end up with the same one.
func TestCreatedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	lineages := make([]string, 16)
	var wg sync.WaitGroup
	for i := range lineages {
		wg.Go(func() {
			s, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			lineages[i] = s.Lineage()
		})
	}
	wg.Wait()
	for _, l := range lineages {
		if l != lineages[0] {
			t.Fatalf("lineages differ: %v", lineages)
		}
	}
}

func TestHistoryIsAppendOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	defer s.Close()
	save(t, s, acquire(t, s, "example.com", "a"), rotate.State{Domain: "example.com"}, rotate.Event{Domain: "example.com"})
	for _, q := range []string{"UPDATE history SET body = ''", "DELETE FROM history"} {
		if _, err := raw(t, path).Exec(q); err == nil {
			t.Errorf("%s was carried out", q)
		}
	}
}

// I9: nothing that goes through the state holds a private key.
func TestNoSecretInTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	defer s.Close()
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	record := dkim.NewRecord(key.Public(), "").String()
	st := fullState("example.com")
	st.Selectors["s1"].Key = &rotate.Key{ID: key.ID(), Version: 1, Record: record}
	st.Intent = &rotate.Intent{Kind: rotate.Publish, KeyID: key.ID(), Record: record}
	st.LastError = fmt.Sprintf("%v %+v %#v %s", key, key, key, key)
	save(t, s, acquire(t, s, st.Domain, "a"), st, rotate.Event{Domain: st.Domain, KeyID: key.ID(), Message: key.String()})
	found := false
	for _, file := range []string{path, path + "-wal"} {
		content := catOf(t, file)
		if strings.Contains(content, "PRIVATE KEY") {
			t.Errorf("%s holds a private key", file)
		}
		found = found || strings.Contains(content, record)
	}
	if !found {
		t.Error("the search does not find the public record either")
	}
}

// Every change either is made, or its context was done before it began.
func TestCancelledSavesWriteNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	defer s.Close()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			st := rotate.State{Domain: fmt.Sprintf("d%d.example", i)}
			l := acquire(t, s, st.Domain, "a")
			for range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				rev, err := s.Save(ctx, l, start, st)
				got, loadErr := s.Load(t.Context(), st.Domain)
				if loadErr != nil || err == nil && got.Revision != rev || err != nil && got.Revision != st.Revision {
					t.Errorf("Save returned %d, %v after revision %d; stored is %d, %v", rev, err, st.Revision, got.Revision, loadErr)
				}
				st.Revision = got.Revision
				cancel()
			}
		})
	}
	wg.Wait()
}

// catOf reads a file through another process: closing a descriptor of an open
// database in this one would drop SQLite's locks.
func catOf(t *testing.T, path string) string {
	t.Helper()
	b, err := exec.Command("cat", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func overwrite(path string, at int64, with string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte(with), at)
	return err
}

func execute(path, query string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(query)
	return err
}
