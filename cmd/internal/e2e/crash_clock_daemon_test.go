package e2e

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// The daemon notices that the clock was set when it wakes up next.
const (
	daemonNap   = 2 * time.Minute // longer than it sleeps, also on a busy machine
	shortDrain  = 10 * time.Second
	longerDrain = 45 * time.Second // than it sleeps
)

// setBack sets the clock back by an hour under a running daemon, while a key drains:
// the wait grows, and ends soon after the clock is right again.
func (g *ground) setBack(t *testing.T) {
	w := g.worldWith(t, kind{inVault, ed25519}, func(_ *world, s *settings) { s.drain = shortDrain })
	w.setClock(right)
	daemon := w.drainUnderDaemon()
	w.setClock(anHourBehind)
	over := time.Now().Add(shortDrain + crashLag + 2*time.Second)
	for time.Now().Before(over) {
		w.bot.await("draining", "s2", 0)
		time.Sleep(100 * time.Millisecond)
	}
	w.setClock(right)
	w.bot.await("ready", "s2", daemonNap)
	w.endDaemon(daemon)
	w.finish()
}

// leapt sets it forward by a month in a drain. The daemon knows how long the machine
// has been up, so the drain ends when it is over (I2).
func (g *ground) leapt(t *testing.T) {
	w := g.worldWith(t, kind{inFiles, ed25519}, func(_ *world, s *settings) { s.drain = longerDrain })
	w.setClock(right)
	w.bot.env = append(w.bot.env, "DKIMBOT_UPTIME=1")
	w.mail.setDrain(longerDrain)
	daemon := w.drainUnderDaemon()
	w.setClock(aMonthAhead)
	w.bot.await("ready", "s2", daemonNap)
	w.endDaemon(daemon)
	w.finishWith("s2")
}

// drainUnderDaemon has somebody begin a rotation and go home when the drain begins:
// a daemon is there to carry it on.
func (w *world) drainUnderDaemon() *process {
	w.t.Helper()
	w.rotate(0)
	daemon := w.bot.start("daemon")
	person := w.bot.start("rotate", "--domain", w.domain)
	w.bot.await("draining", "s2", time.Minute)
	person.end(syscall.SIGINT)
	return daemon
}

// setForward sets the clock forward by a month under a running daemon, while nothing
// continues: it looks after the domain, and publishes a record that has vanished. When
// the clock is right again, a rotation is like any other.
func (w *world) setForward() {
	w.setClock(right)
	w.rotate(0)
	daemon := w.bot.start("daemon")
	w.dns.Remove(w.t, "s2._domainkey."+w.domain, "TXT")
	w.setClock(aMonthAhead)
	w.awaitRecord("s2")
	w.setClock(right)
	w.bot.do("rotate", "--domain", w.domain) // the record counts as seen now, and resolvers are waited for from then on
	w.bot.await("ready", "s2", daemonNap)
	w.endDaemon(daemon)
	w.finishWith("s2")
}

// awaitRecord waits until the daemon has published the selector's record.
func (w *world) awaitRecord(selector string) {
	w.t.Helper()
	want := []string{w.bot.status().Selectors[selector].Record}
	for deadline := time.Now().Add(daemonNap); !slices.Equal(w.dns.Query(w.t, selector+"._domainkey."+w.domain,
		"TXT"), want); {
		if time.Now().After(deadline) {
			w.t.Fatalf("the record of %s is not published", selector)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *world) endDaemon(daemon *process) {
	w.t.Helper()
	if code := daemon.end(syscall.SIGTERM); code != 0 {
		w.t.Errorf("the daemon ended with code %d", code)
	}
}
