package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Domains move to other selectors often here, and other people remove the records at those of before while mail still
// needs them.

const (
	movesYearly = 3       // of each domain
	personTakes = 3 * day // until a person who is told that a record may go has removed it
	graceAtMost = 24*time.Hour + clockBudget
)

// move has the domain move to other selectors often.
func (w *world) move(d *domain) {
	w.often(movesYearly, func() { w.whileIdle(d, w.changeSelectors) })
}

// rob lets somebody remove a record of the domain's former selectors, sooner or later, and perhaps once more.
func (w *world) rob(d *domain, n *zoneName) {
	if !w.plays(movers) || w.faults.IntN(3) == 0 {
		return
	}
	w.after(spread(w.faults, time.Minute, 20*day), func() {
		if w.calm() || !w.missed(n) {
			return
		}
		n.disturbed, n.repaired = w.now, time.Time{}
		w.changeByOthers(n, nil)
		w.log(d.name, "somebody removes the record at %s, which the domain has left", n.name)
		w.rob(d, n)
	})
}

// missed reports whether mail needs the record that stands at the name, alone.
func (w *world) missed(n *zoneName) bool {
	last := n.last()
	if len(last.values) != 1 || last.values[0] != n.ours || n.foreign {
		return false
	}
	id := w.keys.of(n.ours)
	return w.used(dkim.Ref{Name: n.name, KeyID: id}) || w.needed[id].After(w.now)
}

// checkLeftRepaired: a record that other people removed at a selector which the domain has left is published again at
// the next look, as long as a signer says that it signs with its key, or mail that was signed with it is on its way.
func (p *process) checkLeftRepaired(d *domain, st rotate.State) {
	for _, s := range d.former {
		n := p.names[nameOf(d.name, s)]
		last, id := n.last(), p.keys.of(n.ours)
		if st.Selectors[s] != nil || len(last.values) > 0 || !last.others || p.leaks[id] != nil ||
			last.everywhere().After(p.turn.began) || p.turn.missedAt(n.name) || p.turn.wrote(n.name) {
			continue
		}
		if p.saysSo(dkim.Ref{Name: n.name, KeyID: id}) || p.needed[id].After(p.now.Add(p.tolerance)) {
			p.violate("I7", d.name, "%s: somebody removed the record at %s, which the domain has left, mail needs it until %s, "+
				"and the run did not publish it again", p.name, n.name, stamp(p.needed[id]))
		}
	}
}

// saysSo reports whether a signer said in this run that it signs with the key.
func (p *process) saysSo(ref dkim.Ref) bool {
	for _, told := range p.turn.signers {
		if told == ref {
			return true
		}
	}
	return false
}

// checkLeftGone: when no mail has needed the record at a selector that the domain has left for some time, a person was
// told that it may go, and it is gone (I7).
func (w *world) checkLeftGone(d *domain, st rotate.State) {
	if !w.plays(movers) {
		return
	}
	for _, s := range d.former {
		n := w.names[nameOf(d.name, s)]
		last := n.last()
		if st.Selectors[s] != nil || slices.Contains(d.want.Policy.Selectors[:], s) || len(last.values) == 0 {
			continue
		}
		id := w.keys.of(n.ours)
		until := w.needed[id].Add(graceAtMost + personTakes)
		if !w.used(dkim.Ref{Name: n.name, KeyID: id}) && w.now.After(until) {
			w.violate("I7", d.name, "in the end %s stands at %s, which the domain has left, and no mail needs it since %s",
				w.labels(last.values), n.name, stamp(w.needed[id]))
		}
	}
}
