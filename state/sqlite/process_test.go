package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// The test binary plays a second process when the environment says so.
const (
	roleEnv = "DKIMBOT_TEST_ROLE"
	pathEnv = "DKIMBOT_TEST_PATH"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := play(role, os.Getenv(pathEnv)); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(role, path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer s.Close()
	switch role {
	case "hold": // takes the lease and keeps it until killed
		_, err := s.Acquire(ctx, ports.LeaseRequest{Domain: "example.com", Owner: "child", Now: start, TTL: time.Hour})
		fmt.Println("held")
		io.Copy(io.Discard, os.Stdin)
		return err
	case "increment":
		return incrementMany(ctx, s, fmt.Sprint("child ", os.Getpid()), 200)
	case "write": // saves many domains until killed, and says what Save has returned for
		return writeForEver(ctx, s)
	}
	return errors.New("no such role")
}

// incrementMany counts n times in the state, each time under a lease of its own.
func incrementMany(ctx context.Context, s *sqlite.Store, owner string, n int) error {
	for n > 0 {
		l, err := s.Acquire(ctx, ports.LeaseRequest{Domain: "example.com", Owner: owner, Now: start, TTL: time.Hour})
		var held *ports.HeldError
		if errors.As(err, &held) {
			time.Sleep(time.Millisecond) // the other process is at it
			continue
		}
		if err != nil {
			return err
		}
		st, err := s.Load(ctx, "example.com")
		if err != nil {
			return err
		}
		st.Failures++
		if _, err := s.Save(ctx, l, start, st); err != nil {
			return err
		}
		if err := s.Release(ctx, l); err != nil {
			return err
		}
		n--
	}
	return nil
}

func writeForEver(ctx context.Context, s *sqlite.Store) error {
	var mu sync.Mutex
	failed := make(chan error)
	for i := range 8 {
		go func() {
			domain := fmt.Sprintf("d%d.example", i)
			st, err := s.Load(ctx, domain)
			l, err2 := s.Acquire(ctx, ports.LeaseRequest{Domain: domain, Owner: "writer", Now: start, TTL: time.Hour})
			if err := errors.Join(err, err2); err != nil {
				failed <- err
				return
			}
			for {
				if st.Revision, err = s.Save(ctx, l, start, st, rotate.Event{Domain: domain, At: start}); err != nil {
					failed <- err
					return
				}
				mu.Lock()
				fmt.Println(domain, st.Revision)
				mu.Unlock()
			}
		}()
	}
	return <-failed
}

// child is a second process.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func startChild(t *testing.T, role, path string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, pathEnv+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: in, lines: bufio.NewScanner(out)}
	t.Cleanup(c.kill)
	return c
}

// kill ends the child as a crash would, and reads what it still said.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// I8: a second process is told who holds the lease and until when.
func TestSecondProcessHearsWhoHoldsTheLease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	defer s.Close()
	c := startChild(t, "hold", path)
	if !c.lines.Scan() {
		t.Fatal("the child said nothing")
	}
	_, err := s.Acquire(t.Context(),
		ports.LeaseRequest{Domain: "example.com", Owner: "parent", Now: start, TTL: time.Hour})
	var held *ports.HeldError
	if !errors.As(err, &held) {
		t.Fatalf("error %v, want a HeldError", err)
	}
	if held.Owner != "child" || !held.Expires.Equal(start.Add(time.Hour)) {
		t.Errorf("held by %q until %v", held.Owner, held.Expires)
	}
	c.kill() // its lease stays until it runs out, or its owner is known to be dead
	if _, err := s.Acquire(t.Context(),
		ports.LeaseRequest{Domain: "example.com", Owner: "parent", Now: start, TTL: time.Hour,
			Evict: &held.Lease}); err != nil {
		t.Error(err)
	}
}

// I8: no increment of two processes is lost.
func TestTwoProcessesCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	// and one of them makes the file
	children := []*child{startChild(t, "increment", path), startChild(t, "increment", path)}
	for _, c := range children {
		if err := c.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path)
	defer s.Close()
	st, err := s.Load(t.Context(), "example.com")
	if err != nil || st.Failures != 400 || st.Revision != 400 {
		t.Errorf("%d increments at revision %d, error %v; want 400", st.Failures, st.Revision, err)
	}
}

// I7: a crash of the writer loses nothing that Save had returned for, and state
// and history never part.
func TestCrashLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for round := range 5 {
		said := map[string]int64{}
		c := startChild(t, "write", path)
		for n := 0; n < 100+137*round && c.lines.Scan(); n++ {
			note(said, c.lines.Text())
		}
		c.cmd.Process.Kill()
		for c.lines.Scan() { // what it had said by then counts too
			note(said, c.lines.Text())
		}
		c.cmd.Wait()
		if len(said) == 0 {
			t.Fatal("the child saved nothing")
		}
		checkNothingLost(t, path, said)
	}
}

// note remembers a line of the writer; the last one may be cut off.
func note(said map[string]int64, line string) {
	var domain string
	var revision int64
	if _, err := fmt.Sscan(line, &domain, &revision); err == nil {
		said[domain] = revision
	}
}

func checkNothingLost(t *testing.T, path string, said map[string]int64) {
	t.Helper()
	r := readOnly(t, path) // the reader first: it must not need a recovery
	checkSaid(t, r, said)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	s := open(t, path)
	checkSaid(t, s, said)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func checkSaid(t *testing.T, r state.Reader, said map[string]int64) {
	t.Helper()
	for domain, revision := range said {
		st, err := r.Load(t.Context(), domain)
		if err != nil {
			t.Fatal(err)
		}
		if st.Revision < revision {
			t.Errorf("%s is at revision %d, but Save had returned %d", domain, st.Revision, revision)
		}
		if events, err := r.History(t.Context(), domain, 0); err != nil || int64(len(events)) != st.Revision {
			t.Errorf("%s has %d events at revision %d, error %v", domain, len(events), st.Revision, err)
		}
	}
}
