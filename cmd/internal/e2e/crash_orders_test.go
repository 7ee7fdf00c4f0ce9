package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// play is a turn that a person ends otherwise than it was begun.
type play struct {
	name    string
	settle  func(*world, *settings)
	prepare func(w *world) // to where the command is given
	command []string       // at each of whose points the program is killed
	repair  func(w *world) // what a person does then, who looks where the domain stands first
	finish  func(w *world) // checks the end
}

// orders kills the program at every point of the commands for hard days.
func (g *ground) orders(t *testing.T) {
	plays := []play{
		{"rolled back", lasting, (*world).draining, []string{"rollback"}, (*world).goBack, (*world).finishBack},
		{"rolled back halfway", lasting, (*world).standing, []string{"rotate"}, (*world).goBack, (*world).finishBack},
		{"compromised", lasting, (*world).betrayed, []string{"rotate", "--compromised", "--wait"}, (*world).flee,
			(*world).finishFled},
	}
	var all sync.WaitGroup
	for _, k := range []kind{{inFiles, ed25519}, {inVault, ed25519}} {
		for _, p := range plays {
			all.Go(func() { g.play(t, k, p) })
		}
	}
	all.Wait()
}

// play kills the program at every point of a play.
func (g *ground) play(t *testing.T, k kind, p play) {
	title := fmt.Sprintf("%s/%s/", p.name, k.keystore)
	var points []string
	t.Run(title+"undisturbed", func(t *testing.T) {
		w := g.worldWith(t, k, p.settle)
		p.prepare(w)
		points = w.count(func() { w.bot.do(append(p.command, "--domain", w.domain)...) })
		p.repair(w)
		p.finish(w)
		t.Logf("%d points", len(points))
	})
	if len(points) < 8 {
		t.Errorf("%s has the points %q; that can't be all", title, points)
	}
	var all sync.WaitGroup
	for i, point := range points {
		if !sampled(i) {
			continue
		}
		all.Go(func() {
			t.Run(title+point, func(t *testing.T) {
				w := g.worldWith(t, k, p.settle)
				p.prepare(w)
				if !w.disturb(point, syscall.SIGKILL, slices.Clone(p.command)...) {
					t.Error("the point was never reached")
				}
				p.repair(w)
				p.finish(w)
			})
		})
	}
	all.Wait()
}

// standing brings the domain up, with a standby that may be used.
func (w *world) standing() {
	w.bot.do("rotate", "--domain", w.domain)
	w.mail.expect("s1")
	w.awaitStandby()
}

// draining has it switch to s2, and s1 drain for as long as the test takes.
func (w *world) draining() {
	w.standing()
	w.bot.do("rotate", "--domain", w.domain)
	w.bot.await("draining", "s2", 0)
	w.mail.expect("s2")
}

// betrayed brings it up with a key that others know.
func (w *world) betrayed() {
	w.standing()
	w.mail.leak(w.bot.status().Selectors["s1"].Record)
}

// noted reports whether the history says that an order was given.
func (w *world) noted(kind string) bool {
	return slices.ContainsFunc(w.bot.history(), func(e event) bool { return e.Kind == kind && e.Outcome == "done" })
}

// goBack gives the order to roll back, unless it was given.
func (w *world) goBack() {
	if w.bot.status().Phase == "ready" {
		return
	}
	if w.noted("rollback") {
		w.bot.do("rotate", "--due")
		return
	}
	w.bot.do("rollback", "--domain", w.domain)
}

// finishBack checks that both keys are what they were and s1 signs again.
func (w *world) finishBack() {
	w.finishAt("s1", "s2")
	for _, e := range w.bot.history() {
		if e.Kind == "destroy" {
			w.t.Errorf("history: %+v", e)
		}
	}
}

// flee reports the key, unless that was done, and lets what is left be done.
func (w *world) flee() {
	if w.noted("compromised") {
		w.bot.do("rotate", "--due", "--wait")
	} else {
		w.bot.do("rotate", "--domain", w.domain, "--compromised", "--wait")
	}
	w.mail.fled()
}

// finishFled checks that the compromised key is nowhere any more and s2 signs.
func (w *world) finishFled() {
	w.finish()
	for record := range w.mail.leaked {
		if now := w.bot.status().Selectors["s1"].Record; tag(now, "p") == tag(record, "p") || tag(now, "p") == "" {
			w.t.Errorf("s1 has the record %q in the end, and the compromised key's was %q", now, record)
		}
	}
}

// awaitStandby waits until resolvers have forgotten that nothing was at the standby's name.
func (w *world) awaitStandby() {
	w.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		out, _ := w.bot.run("rotate", "--domain", w.domain, "--dry-run")
		if strings.Contains(string(out), " activate ") {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the standby can't be used:\n%s", out)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
