package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// stations are places on a domain's way through its bootstrap and two rotations,
// named like failpoints, with how many keys have been stored by then.
var stations = []struct {
	point string
	keys  int
}{
	{"after save done store s1 (bootstrapping)", 1},
	{"after save wait (ready)", 2},
	{"after save intent activate s2 (switching)", 2},
	{"after save done activate s2 (draining)", 2},
	{"after save intent store s1 (replacing)", 2},
	{"after save done store s1 (replacing)", 3},
	{"after save done publish s1 (replacing)", 3},
	{"after save done verify s1 (replacing)", 3},
	{"after save done destroy s1 (ready)", 3},
	{"after save done activate s1 (draining)", 3},
	{"after save done publish s2 (replacing)", 4},
}

// backups puts a backup of the state database from each station in place at each
// later one. Where a key was stored in between, the program must refuse to continue,
// and must have done no harm when the right database comes back; otherwise it must
// find its way by what it sees.
func (g *ground) backups(t *testing.T) {
	var all sync.WaitGroup
	for i, backup := range stations {
		for j, restore := range stations[i+1:] {
			title := strings.ReplaceAll(fmt.Sprintf("backup/%s/at %s", backup.point, restore.point), "after save ", "")
			k := kind{either(i + j), ed25519}
			all.Go(func() {
				t.Run(title, func(t *testing.T) { g.world(t, k).restored(backup.point, restore.point, restore.keys > backup.keys) })
			})
		}
	}
	all.Wait()
}

func (w *world) restored(backup, restore string, refused bool) {
	w.until(backup)
	old := w.backUp()
	w.until(restore)
	newest := w.backUp()
	old.putBack(w)
	out, code := w.bot.run("rotate", "--domain", w.domain, "--wait")
	switch {
	case refused && code != 3:
		w.t.Errorf("a key was stored after the backup, and dkimbot continued (exit code %d)\n%s", code, out)
	case !refused && code != 0:
		w.t.Errorf("dkimbot did not find its way (exit code %d)\n%s", code, out)
	}
	if refused {
		newest.putBack(w)
	}
	w.bot.do("rotate", "--domain", w.domain, "--wait")
	if w.mail.by("s2") == 0 {
		w.bot.do("rotate", "--domain", w.domain, "--wait")
	}
	w.finishWith(w.bot.status().Active)
}

// until lets the program run and kills it when it comes to the point.
func (w *world) until(point string) {
	w.t.Helper()
	w.with(func() {
		for range 3 {
			_, code := w.bot.run("rotate", "--domain", w.domain, "--wait")
			w.mail.send()
			if code == killed {
				return
			}
			if code != 0 {
				w.t.Fatalf("on the way to %q the program ended with code %d", point, code)
			}
		}
		w.t.Fatalf("the program did not come by %q", point)
	}, "DKIMBOT_FAILPOINT="+point)
}

// database is a copy of the state database's files: name to content.
type database map[string][]byte

// backUp copies the state database while no program runs.
func (w *world) backUp() database {
	w.t.Helper()
	copied := database{}
	for _, path := range w.stateFiles() {
		data, err := os.ReadFile(path)
		must(w.t, err)
		copied[path] = data
	}
	return copied
}

func (d database) putBack(w *world) {
	w.t.Helper()
	for _, path := range w.stateFiles() {
		must(w.t, os.Remove(path))
	}
	for path, data := range d {
		must(w.t, os.WriteFile(path, data, 0o600))
	}
}

func (w *world) stateFiles() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "state.db*"))
	must(w.t, err)
	if len(files) == 0 {
		w.t.Fatal("the state database was not found")
	}
	return files
}
