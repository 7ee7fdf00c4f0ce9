package simulate

import "time"

// rates say how likely things go wrong.
type rates struct {
	// For each effect:
	fails, lost, late, slow, killed float64
	// For each read:
	unread float64
	// Expected number in a year, for each part:
	outages, backups, restarts, jumps, losses, rollbacks, foreign, half, lostKeys float64
	// Expected number of orders in a year, for each domain:
	asked, returns, leaks, releases, plans float64
	longest                                time.Duration // of an outage
	lags                                   bool          // name servers may lag by hours and days
}

func ratesOf(l Level) rates {
	switch l {
	case Some:
		return rates{fails: 0.01, slow: 0.02, unread: 0.005, outages: 4, restarts: 6, longest: 6 * time.Hour}
	case All:
		return rates{fails: 0.04, lost: 0.03, late: 0.015, slow: 0.08, killed: 0.02, unread: 0.02, outages: 4, backups: 1.5,
			restarts: 6, jumps: 3,
			losses: 0.3, rollbacks: 0.3, foreign: 0.3, half: 0.01, lostKeys: 0.3, asked: 4, returns: 6, leaks: 0.5,
			releases: 0.3, plans: 3, longest: 10 * day, lags: true}
	}
	return rates{}
}

// clockError is how far the machine's clock is off at most, when clocks jump.
const clockError = 30 * time.Minute

// part is something that can be out of order for a while.
type part struct {
	name  string
	down  time.Time // until then
	since time.Time // when that outage began
}

func (p *part) up(now time.Time) bool { return !now.Before(p.down) }

// breaks puts the part out of order, and reports whether it would have been in order before then.
func (p *part) breaks(now, until time.Time) bool {
	if !until.After(p.down) {
		return false
	}
	if p.up(now) {
		p.since = now
	}
	p.down = until
	return true
}

// calm reports that the run is near its end: nothing fails any more, so that
// everything must come to rest (I7).
func (w *world) calm() bool { return !w.now.Before(w.quiet) }

// often sets events that come at random, so many in a year, until the world is calm.
func (w *world) often(yearly float64, do func()) {
	if yearly <= 0 {
		return
	}
	wait := time.Duration(w.faults.ExpFloat64() / yearly * float64(365*day))
	at := w.now.Add(wait)
	if wait < 0 || !at.Before(w.quiet) {
		return
	}
	w.at(at, func() {
		do()
		w.often(yearly, do)
	})
}

// breakParts sets all that goes wrong by itself.
func (w *world) breakParts() {
	w.fallible(&w.provider, w.longest(5))
	w.fallible(&w.vault.part, w.longest(5))
	w.fallible(&w.store.part, w.longest(20))
	for _, s := range w.servers {
		w.fallible(s, w.longest(5))
	}
	for _, name := range w.hostNames {
		h := w.hosts[name]
		w.fallible(&h.part, w.longest(1))
		w.fallible(&h.mail, w.longest(1))
		w.often(w.rates.backups, h.restore)
		w.often(w.rates.restarts, h.restart)
	}
	for _, p := range w.processes {
		w.often(w.rates.restarts, func() { p.kill("it is killed") })
	}
	w.often(w.rates.jumps, w.jump)
	w.often(w.rates.losses, w.loseState)
	w.often(w.rates.rollbacks, w.rollBack)
	for _, d := range w.domains {
		w.often(w.rates.lostKeys, func() { w.loseKey(d) })
		w.operate(d)
	}
}

// longest is the longest outage of a part that fails for a share of the usual time.
func (w *world) longest(share time.Duration) time.Duration { return w.rates.longest / share }

// fallible lets a part be out of order now and then; in the calm it works.
func (w *world) fallible(p *part, longest time.Duration) {
	w.often(w.rates.outages, func() {
		d := spread(w.faults, time.Minute, longest)
		until := w.now.Add(d)
		if until.After(w.quiet) {
			until = w.quiet
		}
		if p.breaks(w.now, until) {
			w.log("", "%s is out of order for %s", p.name, until.Sub(w.now).Round(time.Minute))
		}
	})
}

// jump sets the clock of the machine that dkimbot runs on.
func (w *world) jump() {
	w.offset = between(w.faults, -clockError, clockError).Round(time.Second)
	w.jumped = w.now
	w.log("", "the machine's clock is set: it is wrong by %s", w.offset)
}

// sleeps is how long one effect takes.
func (w *world) slowness() time.Duration {
	if w.calm() || w.faults.Float64() >= w.rates.slow {
		return between(w.faults, 10*time.Millisecond, 500*time.Millisecond)
	}
	return spread(w.faults, time.Second, 90*time.Second)
}

// lag is how long a change takes to show on one name server.
func (w *world) lag() time.Duration {
	n := w.faults.IntN(100)
	switch {
	case !w.rates.lags || w.calm() || n < 70:
		return between(w.faults, 0, 4*time.Second)
	case n < 90:
		return spread(w.faults, time.Second, 10*time.Minute)
	case n < 98:
		return spread(w.faults, time.Minute, 6*time.Hour)
	}
	return spread(w.faults, time.Hour, 3*day)
}
