package sqlite

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLeftBehind: what a killed backup left is removed by the next one, and what another process works in, or anything
// else, is not.
func TestLeftBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "copy.db")
	long := time.Now().Add(-2 * leftAge)
	leave := func(name string, files ...string) string {
		at := filepath.Join(dir, name)
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(at, f), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(at, long, long); err != nil {
			t.Fatal(err)
		}
		return at
	}
	left := leave(".copy.db.new-1", "db", "db-journal")
	inUse, done, err := workspace(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(inUse, long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed process left stays")
	}
	fresh, others, other := leave(".copy.db.new-2"), leave(".copy.db.new-3", "db", "mine"), leave(".other.db.new-4", "db")
	if err := os.Chtimes(fresh, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	_, again, err := workspace(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, at := range map[string]string{"what another process works in": inUse, "what is new": fresh,
		"what somebody has put there": filepath.Join(others, "mine"), "another database's": filepath.Join(other, "db")} {
		if _, err := os.Stat(at); err != nil {
			t.Errorf("%s is removed: %v", what, err)
		}
	}
	again()
	done()
	if _, err := os.Stat(inUse); err == nil {
		t.Error("a workspace stays when the work is done")
	}
}
