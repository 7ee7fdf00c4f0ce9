package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func openTemp(t *testing.T) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, path
}

// Finding what is due, what is to be looked after and what has failed reads that
// part of an index and nothing else.
func TestQueriesUseTheirIndex(t *testing.T) {
	s, _ := openTemp(t)
	for query, want := range map[string]string{
		dueQuery: "SEARCH domains USING COVERING INDEX domains_due (next_at<?)",
		looksQuery: "CO-ROUTINE (subquery-2); COMPOUND QUERY; LEFT-MOST SUBQUERY; " +
			"SEARCH looks USING COVERING INDEX looks_due (at<?); " +
			"UNION ALL; SEARCH looks USING COVERING INDEX looks_due (at>?); SCAN (subquery-2); USE TEMP B-TREE FOR ORDER BY",
		failingQuery: "SCAN domains USING INDEX domains_failing",
	} {
		var steps []string
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = 0
		}
		found, err := s.db.Query("EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		for found.Next() {
			var id, parent, unused int
			var step string
			if err := found.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			steps = append(steps, step)
		}
		found.Close()
		if got := strings.Join(steps, "; "); got != want {
			t.Errorf("%s\nplan %q\nwant %q", query, got, want)
		}
	}
}

// An intent is durable before its effect (I7): every commit waits for the disk.
func TestCommitsAreDurable(t *testing.T) {
	s, _ := openTemp(t)
	var synchronous int
	var journal string
	if err := errors.Join(s.writer.db.QueryRow("PRAGMA synchronous").Scan(&synchronous),
		s.writer.db.QueryRow("PRAGMA journal_mode").Scan(&journal)); err != nil {
		t.Fatal(err)
	}
	if synchronous != 2 || journal != "wal" {
		t.Errorf("synchronous %d, journal %s; want 2 (FULL) and wal", synchronous, journal)
	}
}

func insert(ctx context.Context, tx *sql.Tx, key string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO meta VALUES (?, '')", key)
	return err
}

func countMeta(t *testing.T, s *Store, like string) (n int) {
	t.Helper()
	if err := s.db.QueryRow("SELECT count(*) FROM meta WHERE key LIKE ?", like).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Of changes that share a transaction, one that fails half-way is undone alone.
func TestFailedChangeIsUndoneAlone(t *testing.T) {
	s, _ := openTemp(t)
	wrong := errors.New("half-way")
	var wg sync.WaitGroup
	<-s.writer.turn // all gather in one batch
	for i := range 20 {
		wg.Go(func() {
			err := s.writer.write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := insert(ctx, tx, fmt.Sprintf("change %d", i)); err != nil || i%2 == 0 {
					return err
				}
				return wrong
			})
			if want := i%2 == 1; errors.Is(err, wrong) != want || !want && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	gathered := func() int { s.writer.mu.Lock(); defer s.writer.mu.Unlock(); return len(s.writer.queue) }
	for deadline := time.Now().Add(time.Minute); gathered() < 20; {
		if time.Now().After(deadline) {
			t.Fatal("the changes do not gather")
		}
	}
	s.writer.turn <- struct{}{}
	wg.Wait()
	if n := countMeta(t, s, "change %"); n != 10 {
		t.Errorf("%d changes were written, want 10", n)
	}
}

// When a whole transaction is lost, so says each of its changes, and the next one works.
func TestLostTransaction(t *testing.T) {
	s, _ := openTemp(t)
	err := s.writer.write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if err := insert(ctx, tx, "lost"); err != nil {
			return err
		}
		tx.ExecContext(ctx, "ROLLBACK") // as SQLite does on a full disk
		return errors.New("disk full")
	})
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v", err)
	}
	if err := s.writer.write(t.Context(),
		func(ctx context.Context, tx *sql.Tx) error { return insert(ctx, tx, "kept") }); err != nil {
		t.Error(err)
	}
	if lost, kept := countMeta(t, s, "lost"), countMeta(t, s, "kept"); lost != 0 || kept != 1 {
		t.Errorf("lost %d, kept %d", lost, kept)
	}
}
