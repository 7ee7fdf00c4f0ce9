package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/state"
)

// I11: reading makes no file and changes no byte, whatever the writer left behind.
func TestReadOnlyChangesNothing(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, path string){
		"after a clean end": func(t *testing.T, path string) {
			s := open(t, path)
			save(t, s, acquire(t, s, "d0.example", "a"), fullState("d0.example"), rotate.Event{Domain: "d0.example", At: start})
			s.Close()
		},
		"after a crash": func(t *testing.T, path string) {
			c := startChild(t, "write", path)
			for range 50 {
				c.lines.Scan()
			}
			c.kill()
			if fi, err := os.Stat(path + "-wal"); err != nil || fi.Size() == 0 {
				t.Fatal("the crash left no log")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			prepare(t, path)
			before := snapshot(t, dir)
			r := readOnly(t, path)
			readAll(t, r)
			if st, err := r.Load(t.Context(), "d0.example"); err != nil || st.Revision == 0 {
				t.Errorf("loaded revision %d, error %v", st.Revision, err)
			}
			if !r.Exists() || r.Lineage() == "" {
				t.Errorf("exists %v, lineage %q", r.Exists(), r.Lineage())
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
				t.Error(diff)
			}
			if s := open(t, path); s.Lineage() != r.Lineage() {
				t.Error("the writer sees another lineage")
			} else {
				s.Close()
			}
		})
	}
}

// I12: a file that is not there is no fresh start: the reader says so, and makes none.
func TestReadOnlyOfNothing(t *testing.T) {
	dir := t.TempDir()
	r := readOnly(t, filepath.Join(dir, "state.db"))
	readAll(t, r)
	st, err := r.Load(t.Context(), "example.com")
	if err != nil || st.Phase != rotate.New || st.Domain != "example.com" {
		t.Errorf("state %+v, error %v", st, err)
	}
	if r.Exists() || r.Lineage() != "" {
		t.Errorf("exists %v, lineage %q", r.Exists(), r.Lineage())
	}
	if files := snapshot(t, dir); len(files) != 0 {
		t.Errorf("files were made: %v", files)
	}
}

// A log whose index is missing can't be read without writing; that is said, not done.
func TestReadOnlyWithoutIndex(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	c := startChild(t, "write", path)
	c.lines.Scan()
	c.kill()
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	_, err := sqliteOpenReadOnly(t, path)
	faulttest.Shown(t, err)
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("error %v with hint %q", err, fault.HintOf(err))
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// The last writer that ends removes the log's index before the log: whoever reads just then waits for that,
// and is not told that the index is lost.
func TestReadOnlyWhileTheLastWriterEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path).Close()
	c := startChild(t, "write", path)
	c.lines.Scan()
	c.kill()
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { os.Remove(path + "-wal") })
	if r := readOnly(t, path); !r.Exists() {
		t.Error("the reader finds no database")
	}
}

// A writer that is killed when it has just begun its log leaves a header without an index.
func TestReadOnlyOfAnEmptyLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	save(t, s, acquire(t, s, "example.com", "a"), rotate.State{Domain: "example.com"})
	s.Close() // all is in the database now
	c := startChild(t, "write", path)
	c.lines.Scan()
	c.kill()
	for file, size := range map[string]int64{path + "-wal": 32, path + "-shm": 0} {
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
	}
	r := readOnly(t, path)
	if st, err := r.Load(t.Context(), "example.com"); err != nil || st.Revision != 1 {
		t.Errorf("revision %d, error %v", st.Revision, err)
	}
}

// A writer that has just started may not have made the log's index yet; a reader waits for it.
func TestReadOnlyWaitsForTheIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	c := startChild(t, "hold", path)
	if !c.lines.Scan() {
		t.Fatal("the child said nothing")
	}
	if err := overwrite(path+"-shm", 0, strings.Repeat("\x00", 136)); err != nil { // the index's header
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { c.stdin.Close() }) // then the child looks at its index again
	r := readOnly(t, path)
	if st, err := r.Load(t.Context(), "example.com"); err != nil || st.Revision != 0 || !r.Exists() {
		t.Errorf("state %+v, error %v", st, err)
	}
}

// A reader keeps up with a writer that starts, writes, checkpoints and stops meanwhile.
func TestReadOnlyFollowsWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path).Close()
	r := readOnly(t, path)
	var last int64
	for range 3 {
		c := startChild(t, "write", path)
		c.lines.Scan()
		go func() {
			for c.lines.Scan() {
			}
		}()
		began, seen := time.Now(), last
		for time.Since(began) < time.Second || last == seen && time.Since(began) < time.Minute {
			st, err := r.Load(t.Context(), "d0.example")
			if err != nil {
				t.Fatal(err)
			}
			if st.Revision < last {
				t.Fatalf("revision %d after %d", st.Revision, last)
			}
			last = st.Revision
			for _, err := range r.List(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		c.cmd.Process.Kill()
		c.cmd.Wait()
	}
	r.Close()
	s := open(t, path)
	defer s.Close()
	if st, err := s.Load(t.Context(), "d0.example"); err != nil || last == 0 || st.Revision < last {
		t.Errorf("the reader saw revision %d, the writer %d, error %v", last, st.Revision, err)
	}
}

// Without a log the reader relies on nobody writing; it notices when that ends.
func TestReadOnlySeesLaterWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path).Close()
	r := readOnly(t, path)
	st := fullState("example.com")
	for want := int64(1); want <= 20; want++ {
		s := open(t, path)
		st.Revision = save(t, s, acquire(t, s, st.Domain, "a"), st)
		if want%2 == 0 {
			s.Close() // with the log written back and removed
		} else {
			defer s.Close()
		}
		got, err := r.Load(t.Context(), st.Domain)
		if err != nil || got.Revision != want {
			t.Fatalf("revision %d, error %v; want %d", got.Revision, err, want)
		}
	}
}

func readAll(t *testing.T, r state.Reader) {
	t.Helper()
	for _, err := range r.List(t.Context()) {
		if err != nil {
			t.Error(err)
		}
	}
	_, err1 := r.Fingerprints(t.Context())
	_, err2 := r.Due(t.Context(), start)
	_, err3 := r.History(t.Context(), "", 0)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Error(err)
		}
	}
}

// snapshot describes every file below dir: mode, time of change and content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = fmt.Sprintf("%v %v %x", fi.Mode(), fi.ModTime(), sha256.Sum256(b))
	}
	return files
}
