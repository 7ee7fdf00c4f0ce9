package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// leases sets the machine's clock while one program works on a domain, and starts a
// second one: no step of the clock lets it in (I8). When the first was killed, the clock
// being wrong by decades holds nobody up.
func (g *ground) leases(t *testing.T) {
	w := g.worldWith(t, kind{inFiles, ed25519}, func(w *world, c *settings) {
		script := filepath.Join(w.dir, "reload")
		reload := "'" + strings.Join(w.signer.Reload(), "' '") + "'"
		must(w.t, os.WriteFile(script,
			[]byte("#!/bin/sh\ncd "+w.dir+"\nif [ -e slow ]; then echo >busy; while [ ! -e go ]; do sleep 0.1; done; fi\nexec "+
				reload+"\n"), 0o700))
		c.reload, c.reloadTimeout = []string{script}, 4*time.Minute
	})
	w.setClock(right)
	w.rotate(0)
	touch := func(name string) { must(w.t, os.WriteFile(filepath.Join(w.dir, name), nil, 0o600)) }
	touch("slow")
	first := w.bot.start("rotate", "--domain", w.domain, "--wait")
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(w.dir, "busy")); err == nil {
			break
		}
		if time.Since(began) > commandLimit {
			t.Fatal("the first program did not come to the activation")
		}
	}
	for _, step := range []string{"30m", "-1h", "280000h", "-200000h"} {
		w.setClock(step)
		out, code := w.bot.run("rotate", "--domain", w.domain)
		if code != 3 || !strings.Contains(string(out), "is being worked on by") {
			t.Errorf("I8: with a clock set by %s a second program ended with code %d\n%s", step, code, out)
		}
	}
	w.setClock("280000h")
	time.Sleep(11 * time.Second) // the lease is renewed once more, and dated so
	first.end(syscall.SIGKILL)
	touch("go")
	w.setClock(right)
	w.rotate(1)
	w.finish()
}
