package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestCrashes does to the program what machines do to programs, while mail flows, and
// checks that the end is that of an undisturbed run and that all mail was signed and
// verifies (I7, and with it I1 to I5, I10 and I12).
func TestCrashes(t *testing.T) {
	g := newGround(t, map[algorithm]int{rsa: 16, ed25519: 32})
	var all sync.WaitGroup
	all.Go(func() { g.sweep(t, kind{inFiles, rsa}) })
	all.Go(func() { g.sweep(t, kind{inVault, ed25519}) })
	all.Go(func() { g.calls(t) })
	all.Go(func() { t.Run("orders", g.orders) })
	all.Go(func() { t.Run("leases", g.leases) })
	if *everywhere {
		all.Go(func() { g.backups(t) })
		all.Go(func() { g.clocks(t) })
	}
	all.Wait()
}

// everywhere asks for every point, which keeps two processors busy for minutes:
// `make crashes`. Without it each run takes a sample, and package rotate kills the
// heart everywhere in a modelled world.
var everywhere = flag.Bool("everywhere", false, "kill the program at every point, not at one in ten")

// sampled reports whether the point belongs to this run.
func sampled(i int) bool { return *everywhere || i%10 == 0 }

// sweep ends the program at every point at which it changes anything or writes down
// that it does, and starts it again. The points are package app's failpoints.
func (g *ground) sweep(t *testing.T, k kind) {
	var points [2][]string
	t.Run(string(k.keystore)+"/undisturbed", func(t *testing.T) {
		w := g.world(t, k)
		for turn := range points {
			points[turn] = w.count(func() { w.rotate(turn) })
		}
		w.finish()
		t.Logf("%d points in the bootstrap and %d in the rotation", len(points[0]), len(points[1]))
	})
	if len(points[0]) < 30 || len(points[1]) < 30 {
		t.Errorf("with the keystore %s there are the points %q; that can't be all", k.keystore, points)
	}
	var all sync.WaitGroup
	for turn, names := range points {
		for i, name := range names {
			if !sampled(i) {
				continue
			}
			signals := []syscall.Signal{syscall.SIGKILL}
			if k.keystore == either(i) { // each point with one of the keystores
				signals = append(signals, syscall.SIGTERM)
			}
			for _, signal := range signals {
				title := fmt.Sprintf("%s/%s/%s/%s", k.keystore, signal, turns[turn].name, name)
				all.Go(func() {
					t.Run(title, func(t *testing.T) { g.disturbed(t, k, turn, name, signal) })
				})
			}
		}
	}
	all.Wait()
}

// turns are the two commands that a world lives through, and the selector that
// signs at the end of each.
var turns = [...]struct{ name, active string }{{"bootstrap", "s1"}, {"rotation", "s2"}}

// count does something and returns the points that the program passed.
func (w *world) count(do func()) []string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "points")
	w.with(do, "DKIMBOT_FAILPOINTS="+path)
	text, err := os.ReadFile(path)
	must(w.t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// disturbed lives through both turns, and sends the program a signal at one point of
// one of them. On a busy machine a wait may be over before it is come to, and the point with it:
// then it is tried again in another world, where the waits are longer.
func (g *ground) disturbed(t *testing.T, k kind, turn int, point string, signal syscall.Signal) {
	for try := range crashTries {
		w, reached := g.patientWorld(t, k, try), false
		for i := range turns {
			if i == turn {
				reached = w.disturb(point, signal, "rotate", "--wait")
			}
			w.rotate(i)
		}
		w.finish()
		if reached {
			return
		}
		t.Logf("the program did not come by %q", point)
	}
	t.Error("the point was never reached")
}

// disturb runs a command for the domain, sends the signal at a point, and reports
// whether the program came there.
func (w *world) disturb(point string, signal syscall.Signal, command ...string) (reached bool) {
	w.t.Helper()
	points := filepath.Join(w.t.TempDir(), "points")
	env := []string{"DKIMBOT_FAILPOINTS=" + points, "DKIMBOT_FAILPOINT=" + point}
	if signal == syscall.SIGTERM {
		env = append(env, "DKIMBOT_FAILSIGNAL=TERM")
	}
	var (
		out  []byte
		code int
	)
	w.with(func() { out, code = w.bot.run(append(command, "--domain", w.domain)...) }, env...)
	passed, err := os.ReadFile(points)
	must(w.t, err)
	reached = slices.Contains(strings.Split(string(passed), "\n"), point)
	switch {
	case reached && signal == syscall.SIGKILL && code != killed, !reached && code != 0:
		w.t.Fatalf("the program ended with code %d\n%s", code, out)
	case signal == syscall.SIGTERM && code != 0 && code != 1:
		w.t.Errorf("at SIGTERM the program ended with code %d\n%s", code, out)
	}
	return reached
}

// killed is the exit code of a process that a signal ended.
const killed = -1
