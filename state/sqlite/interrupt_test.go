package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// endsAfter is a context that is cancelled when it was looked at a number of times.
type endsAfter struct {
	context.Context
	left   atomic.Int64
	cancel context.CancelFunc
}

func (c *endsAfter) Done() <-chan struct{} {
	if c.left.Add(-1) < 0 {
		go c.cancel() // while the statement runs
	}
	return c.Context.Done()
}

// TestInterruptedOpening: whoever is interrupted while the database is made or opened, at any
// point, is told just that, and leaves either no database or a whole one (I12).
func TestInterruptedOpening(t *testing.T) {
	for looks := int64(0); looks < 120; looks += 3 {
		path := filepath.Join(t.TempDir(), "state.db")
		ctx, cancel := context.WithCancel(t.Context())
		c := &endsAfter{Context: ctx, cancel: cancel}
		c.left.Store(looks)
		s, err := Open(c, path)
		cancel()
		switch {
		case err == nil:
			s.Close()
		case !errors.Is(err, context.Canceled):
			t.Errorf("after %d looks at the context: %v", looks, err)
		}
		if s, err = Open(t.Context(), path); err != nil {
			t.Fatalf("opened once more: %v", err)
		}
		s.Close()
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
			t.Errorf("after %d looks at the context there are %v", looks, left)
		}
	}
}

// TestCutShort: SQLite and database/sql have words of their own for a context that ended.
func TestCutShort(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := s.db.QueryContext(ctx, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cancel()
	for rows.Next() {
	}
	for _, err := range []error{rows.Err(), sql.ErrTxDone} {
		if err := broken("/var/lib/dkimbot/state.db", "open", err); !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not known as an interruption", err)
		}
	}
}
