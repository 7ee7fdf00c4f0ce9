package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	anHourBehind = "-1h"
	aMonthAhead  = "720h"
	tenDaysLater = "240h"
	right        = "0s"
)

// clocks sets the machine's clock while no program runs, lets the program continue with
// that, and sets it right again. Waits may grow by it; no mail may come to harm.
//
// Nobody can tell a month that has passed from a clock that was set: a drain that is
// under way is over a month later, and there mail fails. It shows that it would be noticed.
func (g *ground) clocks(t *testing.T) {
	var all sync.WaitGroup
	run := func(title string, k kind, test func(w *world)) {
		all.Go(func() { t.Run("clock/"+title, func(t *testing.T) { test(g.world(t, k)) }) })
	}
	for i, station := range stations {
		where := strings.TrimPrefix(station.point, "after save ")
		k := kind{either(i), ed25519}
		run("an hour behind/"+where, k, func(w *world) { w.misled(station.point, anHourBehind) })
		run("a month ahead/"+where, k, func(w *world) {
			if strings.HasSuffix(where, "(draining)") {
				w.cutShort(station.point)
				return
			}
			w.misled(station.point, aMonthAhead)
		})
	}
	all.Go(func() { t.Run("clock/an hour behind/under a daemon", func(t *testing.T) { g.setBack(t) }) })
	all.Go(func() { t.Run("clock/a month ahead/under a daemon in a drain", func(t *testing.T) { g.leapt(t) }) })
	run("a month ahead/under a daemon", kind{inFiles, ed25519}, (*world).setForward)
	run("a month ahead/from the beginning", kind{inFiles, rsa}, func(w *world) { w.misled("", aMonthAhead) })
	all.Wait()
}

// misled continues with a wrong clock from a point on, then with the right one.
func (w *world) misled(point, wrong string) {
	w.setClock(right)
	if point != "" {
		w.until(point)
	}
	w.setClock(wrong)
	w.bot.do("rotate", "--domain", w.domain) // without --wait: an hour would be waited for
	w.t.Logf("with the wrong clock: %s", w.where())
	w.setClock(right)
	for range 3 {
		w.bot.do("rotate", "--domain", w.domain, "--wait")
		if w.rotated() {
			break
		}
		w.t.Logf("with the right clock again: %s", w.where())
		// What was noted while the clock was ahead is taken for a week ahead at most. The
		// drain has really passed when that week is skipped.
		time.Sleep(crashLag + crashDrain)
		w.setClock(tenDaysLater)
	}
	w.finishWith(w.bot.status().Active)
}

// rotated reports whether the domain is at rest and both selectors have signed.
func (w *world) rotated() bool {
	return w.bot.status().Phase == "ready" && w.mail.by("s1") > 0 && w.mail.by("s2") > 0
}

// cutShort lets a drain end too early by a wrong clock, which mail must show.
func (w *world) cutShort(draining string) {
	w.mail.setDrain(30 * time.Second) // longer than the rest takes, also on a busy machine
	w.setClock(right)
	w.until(draining)
	w.setClock(aMonthAhead)
	w.bot.do("rotate", "--domain", w.domain)
	w.mail.stop()
	if len(w.mail.wrong) == 0 {
		w.t.Error("no message failed though its key was replaced too early")
	}
}

// setClock sets the clock of the machine that the program runs on.
func (w *world) setClock(ahead string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "clock")
	must(w.t, os.WriteFile(path+".new", []byte(ahead), 0o600))
	must(w.t, os.Rename(path+".new", path))
	if set := "DKIMBOT_CLOCK=" + path; !slices.Contains(w.bot.env, set) {
		w.bot.env = append(w.bot.env, set)
	}
}

// where says where the domain stands.
func (w *world) where() string {
	st := w.bot.status()
	return st.Phase + " with " + st.Active
}
