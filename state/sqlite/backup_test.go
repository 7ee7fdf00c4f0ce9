package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// TestBackupWhileWriting: copies that are made while domains are saved open as whole
// databases, and each holds what was saved before it was begun (I7, I12).
func TestBackupWhileWriting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	var (
		work  sync.WaitGroup
		mu    sync.Mutex
		saved int
	)
	work.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			name := fmt.Sprintf("d%d.example", i)
			save(t, s, acquire(t, s, name, "writer"), state.Fresh(name))
			mu.Lock()
			saved = i + 1
			mu.Unlock()
		}
	})
	for i := range 10 {
		mu.Lock()
		least := saved
		mu.Unlock()
		to := filepath.Join(dir, fmt.Sprintf("copy%d.db", i))
		what, err := sqlite.Backup(t.Context(), path, to)
		if err != nil {
			t.Fatal(err)
		}
		back := filepath.Join(dir, fmt.Sprintf("back%d.db", i))
		again, err := sqlite.Restore(t.Context(), to, back)
		if err != nil {
			t.Fatal(err)
		}
		if what.Domains < least || again != what {
			t.Errorf("%d domains were saved; the copy holds %+v, what was restored of it %+v", least, what, again)
		}
		wantWhole(t, back, s.Lineage(), what.Domains)
	}
	stop()
	work.Wait()
}

// TestRestoredIsLookedAfter guards I12: what happened since a copy was made is seen by the first run after it is
// restored, and not when each domain's turn would have come.
func TestRestoredIsLookedAfter(t *testing.T) {
	dir := t.TempDir()
	path, now := filepath.Join(dir, "state.db"), time.Now()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := []string{"a.example", "b.example"}
	for _, name := range all {
		save(t, s, acquire(t, s, name, "writer"), state.Fresh(name))
	}
	if _, err := s.TakeLooks(t.Context(), now, all); err != nil {
		t.Fatal(err)
	}
	if looks, err := s.Looks(t.Context(), now); err != nil || len(looks) > 0 {
		t.Fatalf("%v are looked after now, %v", looks, err)
	}
	copied, back := filepath.Join(dir, "copy.db"), filepath.Join(dir, "back.db")
	if _, err := sqlite.Backup(t.Context(), path, copied); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Restore(t.Context(), copied, back); err != nil {
		t.Fatal(err)
	}
	restored, err := sqlite.Open(t.Context(), back)
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	if looks, err := restored.Looks(t.Context(), now); err != nil || len(looks) != 2 {
		t.Errorf("after the restoration %v are looked after, %v", looks, err)
	}
}

// wantWhole opens a restored database for writing and reads everything.
func wantWhole(t *testing.T, path, lineage string, domains int) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Lineage() != lineage || s.PlanKey() == nil {
		t.Errorf("the restored database has lineage %q", s.Lineage())
	}
	n := 0
	for _, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != domains {
		t.Errorf("%d domains were restored of %d", n, domains)
	}
	var mode string
	if err := raw(t, path).QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode %q, %v", mode, err)
	}
}

// TestRestoredLeases: a lease that was held when the copy was made is free at once, and
// fences only grow (I8).
func TestRestoredLeases(t *testing.T) {
	dir := t.TempDir()
	path, to, back := filepath.Join(dir, "state.db"), filepath.Join(dir, "copy.db"), filepath.Join(dir, "back.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := ports.LeaseRequest{Domain: "a.example", Owner: "one", TTL: time.Hour, Now: time.Now()}
	held, err := s.Acquire(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Backup(t.Context(), path, to); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Restore(t.Context(), to, back); err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.Open(t.Context(), back)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ask.Owner = "two"
	got, err := r.Acquire(t.Context(), ask)
	if err != nil || got.Fence <= held.Fence {
		t.Errorf("got %+v, %v after %+v", got, err, held)
	}
}

// TestBackupRefusals: nothing is written over, nothing unsafe is trusted, and nothing is left.
func TestBackupRefusals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.WriteFile(filepath.Join(dir, "left.db-wal"), []byte("of another"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"state.db", "left.db"} {
		if _, err := sqlite.Backup(t.Context(), path, filepath.Join(dir, to)); fault.CodeOf(err) != codes.StateExists {
			t.Errorf("%s: %v", to, err)
		}
	}
	if _, err := sqlite.Backup(t.Context(), path, filepath.Join(dir, "nowhere", "copy.db")); err == nil {
		t.Error("a directory that is not there was made")
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Backup(t.Context(), path, filepath.Join(open, "copy.db")); err == nil {
		t.Error("a copy was made where anybody can exchange it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Backup(ctx, path, filepath.Join(dir, "late.db")); err == nil {
		t.Error("an interrupted backup was made")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), ".new-") || e.Name() == "late.db" {
			t.Errorf("%s was left", e.Name())
		}
	}
}
