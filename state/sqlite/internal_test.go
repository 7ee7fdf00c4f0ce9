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

// Finding what is due reads the due part of an index and nothing else.
func TestDueUsesTheIndex(t *testing.T) {
	s, _ := openTemp(t)
	var id, parent, unused int
	var plan string
	if err := s.db.QueryRow("EXPLAIN QUERY PLAN "+dueQuery, 0).Scan(&id, &parent, &unused, &plan); err != nil {
		t.Fatal(err)
	}
	if want := "SEARCH domains USING COVERING INDEX domains_due (next_at<?)"; plan != want {
		t.Errorf("plan %q, want %q", plan, want)
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
	for deadline := time.Now().Add(10 * time.Second); gathered() < 20; {
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
	if err := s.writer.write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { return insert(ctx, tx, "kept") }); err != nil {
		t.Error(err)
	}
	if lost, kept := countMeta(t, s, "lost"), countMeta(t, s, "kept"); lost != 0 || kept != 1 {
		t.Errorf("lost %d, kept %d", lost, kept)
	}
}
