package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestCrashes does to the program what machines do to programs, while mail flows, and
// checks that the end is that of an undisturbed run and that all mail was signed and
// verifies (I7, and with it I1 to I5, I10 and I12).
func TestCrashes(t *testing.T) {
	g := newGround(t, 16)
	var all sync.WaitGroup
	all.Go(func() { g.sweep(t, inFiles) })
	all.Go(func() { g.sweep(t, inVault) })
	all.Go(func() { g.backups(t) })
	all.Go(func() { g.clocks(t) })
	all.Wait()
}

// sweep ends the program at every point at which it changes anything or writes down
// that it does, and starts it again. The points are package app's failpoints.
func (g *ground) sweep(t *testing.T, k kind) {
	var points [2][]string
	t.Run(string(k)+"/undisturbed", func(t *testing.T) {
		w := g.world(t, k)
		for turn := range points {
			points[turn] = w.count(turn)
		}
		w.finish()
		t.Logf("%d points in the bootstrap and %d in the rotation", len(points[0]), len(points[1]))
	})
	if len(points[0]) < 30 || len(points[1]) < 30 {
		t.Errorf("with the keystore %s there are the points %q; that can't be all", k, points)
	}
	var all sync.WaitGroup
	for turn, names := range points {
		for i, name := range names {
			signals := []syscall.Signal{syscall.SIGKILL}
			if k == [...]kind{inFiles, inVault}[i%2] { // each point with one of the keystores
				signals = append(signals, syscall.SIGTERM)
			}
			for _, signal := range signals {
				title := fmt.Sprintf("%s/%s/%s %03d %s", k, signal, turns[turn].name, i+1, name)
				all.Go(func() {
					t.Run(title, func(t *testing.T) { g.disturbed(t, k, turn, i+1, signal) })
				})
			}
		}
	}
	all.Wait()
}

// turns are the two commands that a world lives through, and the selector that
// signs at the end of each.
var turns = [...]struct{ name, active string }{{"bootstrap", "s1"}, {"rotation", "s2"}}

// count carries out a turn and returns the points that it passed.
func (w *world) count(turn int) []string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "points")
	w.with(func() { w.rotate(turn) }, "DKIMBOT_FAILPOINTS="+path)
	text, err := os.ReadFile(path)
	must(w.t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// disturbed lives through both turns, and sends the program a signal at one point of one of them.
func (g *ground) disturbed(t *testing.T, k kind, turn, point int, signal syscall.Signal) {
	w := g.world(t, k)
	for i := range turns {
		if i == turn {
			w.disturb(point, signal)
		}
		w.rotate(i)
	}
	w.finish()
}

// disturb begins or carries on the turn at hand and sends the signal at a point.
func (w *world) disturb(point int, signal syscall.Signal) {
	w.t.Helper()
	env := []string{fmt.Sprintf("DKIMBOT_FAILPOINT=%d", point)}
	if signal == syscall.SIGTERM {
		env = append(env, "DKIMBOT_FAILSIGNAL=TERM")
	}
	var (
		out  []byte
		code int
	)
	w.with(func() { out, code = w.bot.run("rotate", "--domain", w.domain, "--wait") }, env...)
	switch {
	case signal == syscall.SIGKILL && code != killed:
		w.t.Fatalf("the program was to be killed at point %d and ended with code %d\n%s", point, code, out)
	case signal == syscall.SIGTERM && code != 0 && code != 1:
		w.t.Errorf("at SIGTERM the program ended with code %d\n%s", code, out)
	}
}

// killed is the exit code of a process that a signal ended.
const killed = -1
