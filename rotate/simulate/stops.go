package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Processes that are stopped (SIGSTOP, a suspended virtual machine) are played here: others work on meanwhile, and
// take the lease over. Who wakes knows nothing of it. What it was just about to do comes all the same, and no more
// than that (I8); it says so, so that the domain is looked at and put right at once.

const (
	stopRate    = 0.004         // of effects and waits
	longestStop = 6 * time.Hour // most stops are far shorter, and many as short as a lease
	lookedBy    = time.Hour     // after an effect that came too late the domain is looked at again, whatever else is due
)

// mayStop stops the process now and then, for longer than its lease or not.
func (p *process) mayStop() {
	if p.outlives = false; !p.plays(stops) || p.calm() || p == p.person || p.othersWork() ||
		p.faults.Float64() >= stopRate {
		return
	}
	until := p.now.Add(spread(p.faults, 20*time.Second, longestStop))
	if until.After(p.quiet) {
		until = p.quiet
	}
	p.log("", "%s is stopped until %s", p.name, stamp(until))
	p.turn.breaks()
	stopped := p.now
	p.stopped = true
	p.runUntil(until)
	p.stopped = false
	p.frozen += p.now.Sub(stopped)
	p.outlives = p.turn != nil && p.store.leases[p.turn.domain].Owner != p.owner
}

// othersWork reports whether another process waits further down the stack: it would be stopped as well.
func (p *process) othersWork() bool {
	return slices.ContainsFunc(append(p.processes, p.person), func(o *process) bool { return o != p && o.busy })
}

// comesTooLate takes note of an effect of a process that was stopped directly before it, and whose lease passed to
// another one meanwhile: it says so, and the domain is looked at again.
func (p *process) comesTooLate(e effect) {
	d, owner := p.domain(e.name.Domain), p.owner
	p.report.Outlived++
	p.log(d.name, "%s: too late: %s", p.name, e.what)
	landed, n := p.now, p.names[e.name]
	d.outlived = landed
	if p.turn != nil {
		p.turn.late = landed
	}
	var check func()
	check = func() {
		switch {
		case !d.outlived.Equal(landed) || n == nil || n.looked.After(landed) || !p.alive || p.owner != owner ||
			p.halted || d.released || p.calm():
		case p.busy || p.othersWork() || !p.store.up(p.now) || p.store.lost != nil || p.store.emptied(landed):
			p.after(10*time.Minute, check)
		default:
			p.violate("I8", d.name, "%s: %s at %s, after its lease had passed, and the domain is not looked at again",
				p.name, e.what, stamp(landed))
		}
	}
	p.after(lookedBy, check)
}

// checkSaid: whoever had an effect that came too late says so to all that look after domains.
func (p *process) checkSaid(d *domain) {
	late := p.turn.late
	if late.IsZero() || !p.alive || p.halted || p.store.down.After(late) || p.store.emptied(late) {
		return
	}
	if p.store.again[d.name].Before(late) {
		p.violate("I8", d.name, "%s: an effect came after another process had taken the lease over, and nothing says "+
			"that the domain is to be looked at again", p.name)
	}
}

// stray makes the host sign with what a process told it too late, as if by other hands.
func (h *host) stray(ref dkim.Ref) error {
	w, d := h.world, ref.Domain
	if _, away := h.disk.own[d]; h.loaded[d] == ref || h.strays[d] || away || !h.given[d] {
		return unable("activate "+ref.String()+" on "+h.name, "no answer in time")
	}
	h.restored = w.now
	h.lastWords(d)
	delete(h.coming, d)
	delete(h.leaving, d)
	delete(h.unread, d)
	h.disk.files[ref], h.disk.table[d] = ref.KeyID, ref
	h.excused[d] = w.gone(ref)
	h.load(ref, false)
	h.strays[d] = true
	return nil
}

// breaks takes note that the run was stopped: what it could have done at once is not asked of it.
func (t *turn) breaks() {
	if t != nil {
		t.broken = true
	}
}
