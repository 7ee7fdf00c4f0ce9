package file_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestKilled guards I4 and I7: a process that stores and destroys keys without
// pause is killed again and again. What it reported as stored must be there, every
// version must be whole, and the next process carries on.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("DKIMBOT_TEST_KILLED"); dir != "" {
		storeForever(t, dir)
	}
	dir := filepath.Join(t.TempDir(), "keys")
	reported, id := 0, ""
	for round := range 12 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "DKIMBOT_TEST_KILLED="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for armed := false; lines.Scan(); armed = true {
			version, rest, _ := strings.Cut(lines.Text(), " ")
			v, err := strconv.Atoi(version)
			if err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			if !armed {
				time.AfterFunc(time.Duration(round)*200*time.Microsecond, func() { cmd.Process.Kill() })
			}
			reported, id = v, rest
		}
		cmd.Wait()
		s := open(t, dir)
		key, newest, err := s.Get(t.Context(), name, 0)
		if err != nil || newest < reported || key == nil || newest == reported && key.ID() != id {
			t.Fatalf("after the kill: key %v version %d, %v; reported %d %s", key, newest, err, reported, id)
		}
		for v := 1; v <= newest; v++ {
			if _, n, err := s.Get(t.Context(), name, v); n != v || err != nil {
				t.Fatalf("version %d reads as %d, %v", v, n, err)
			}
		}
	}
}

// storeForever stores keys, destroys the ones before, and reports each version
// with its key id once it is stored.
func storeForever(t *testing.T, dir string) {
	s := open(t, dir)
	_, after, err := s.Get(t.Context(), name, 0)
	for ; err == nil; after++ {
		key, _ := dkim.Generate(dkim.Ed25519)
		if _, err = s.Put(t.Context(), name, key, after); err == nil {
			os.Stdout.WriteString(strconv.Itoa(after+1) + " " + key.ID() + "\n")
			if after > 0 {
				err = s.Destroy(t.Context(), name, after)
			}
		}
	}
	t.Fatal(err)
}
