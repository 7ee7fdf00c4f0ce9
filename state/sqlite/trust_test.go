package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// I12: what another user could have exchanged is not taken for the state, and nothing of a
// state is written where another user planted a link.
func TestOthersState(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("run this test as root: it plants what another user could")
	}
	const other = 12345
	for title, c := range map[string]struct {
		plant func(dir, mine string) error
		says  string
	}{
		"directory of another": {func(dir, _ string) error { return os.Chown(dir, other, other) }, "belongs to user 12345"},
		"directory for all":    {func(dir, _ string) error { return os.Chmod(dir, 0o777) }, "can be written by everybody"},
		"database of another": {func(dir, _ string) error { return os.Chown(filepath.Join(dir, "state.db"), other, other) },
			"state.db belongs to user 12345"},
		"database for all": {func(dir, _ string) error { return os.Chmod(filepath.Join(dir, "state.db"), 0o666) },
			"can be written by everybody"},
		"linked log": {func(dir, mine string) error { return os.Symlink(mine, filepath.Join(dir, "state.db-wal")) },
			"is a symbolic link"},
		"pipe for a log": {func(dir, _ string) error { return syscall.Mkfifo(filepath.Join(dir, "state.db-wal"), 0o600) },
			"is a pipe"},
		"link of another": {func(dir, mine string) error {
			os.Remove(filepath.Join(dir, "state.db"))
			if err := os.Symlink(mine, filepath.Join(dir, "state.db")); err != nil {
				return err
			}
			return os.Chown(dir, other, other)
		}, "is a symbolic link, and user 12345 owns its directory"},
	} {
		t.Run(title, func(t *testing.T) {
			dir, mine := t.TempDir(), filepath.Join(t.TempDir(), "mine")
			if err := os.WriteFile(mine, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "state.db")
			s, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.plant(dir, mine); err != nil {
				t.Fatal(err)
			}
			_, err1 := sqlite.Open(t.Context(), path)
			_, err2 := sqlite.OpenReadOnly(t.Context(), path)
			for _, err := range []error{err1, err2} {
				if err == nil || !strings.Contains(err.Error(), c.says) || fault.HintOf(err) == "" {
					t.Errorf("got %v, want %q and a hint", err, c.says)
				}
			}
			if text, err := os.ReadFile(mine); err != nil || string(text) != "precious" {
				t.Errorf("the linked file now holds %q, %v", text, err)
			}
		})
	}
}

// What is to be made where others could exchange it is refused before anything is made, by who only reads, too.
func TestStateToBeMade(t *testing.T) {
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(open, "missing", "state.db")
	_, err1 := sqlite.OpenReadOnly(t.Context(), path)
	_, err2 := sqlite.Open(t.Context(), path)
	for _, err := range []error{err1, err2} {
		if err == nil || !strings.Contains(err.Error(), open+" can be written by everybody") || fault.HintOf(err) == "" {
			t.Errorf("got %v", err)
		}
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("the directory was made: %v", err)
	}
}

// A reader of the database could lock it, and see the key that signs plans: who opens it for writing
// takes it from readers.
func TestStateIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for range 2 {
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(path + "*")
		if err != nil || len(files) == 0 {
			t.Fatal(err)
		}
		for _, file := range files {
			if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s has mode %v, %v", file, info, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil { // as a backup that was put back
			t.Fatal(err)
		}
	}
}
