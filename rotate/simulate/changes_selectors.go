package simulate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// Domains are given other selectors here.

// movesOver is how long after its old record went the private key at a selector of before may be kept.
const movesOver = 10 * day

// changeSelectors writes two new selectors into the domain's policy, and has it move over to them.
func (w *world) changeSelectors(d *domain) {
	if d.shares || w.open(d) || d.phase != rotate.Ready || d.onHold || d.moving {
		return
	}
	d.moving = true
	old := d.want.Policy.Selectors
	d.moves++
	for i := range 2 {
		s := fmt.Sprintf("%c%d", 'a'+d.moves-1, i+1)
		n := newZoneName(nameOf(d.name, s))
		w.names[n.name], w.owners[n.text] = n, n
		d.want.Policy.Selectors[i] = s
	}
	w.reconfigure(d, "selectors: %v", d.want.Policy.Selectors)
	w.after(time.Minute, func() { w.moveOver(d, old, 48) })
}

// managing returns the policy with the selectors that are under management: the domain's, or until it moves over to
// those, the ones that it has.
func managing(d *domain, st rotate.State) rotate.Policy {
	p := d.want.Policy
	if names := slices.Sorted(maps.Keys(st.Selectors)); len(names) == 2 && st.Selectors[p.Selectors[0]] == nil {
		p.Selectors = [2]string(names)
	}
	return p
}

// moveOver orders the move until it is taken up, or writes the old selectors back.
func (w *world) moveOver(d *domain, old [2]string, tries int) {
	switch {
	case w.order(d, rotate.ChangeSelectors{}):
		d.moving = false
		w.leavesBehind(d, old)
	case tries > 0 && !w.calm():
		w.after(time.Hour, func() { w.moveOver(d, old, tries-1) })
	case w.working():
		w.after(10*time.Minute, func() { w.moveOver(d, old, 0) })
	default:
		d.moving = false
		d.want.Policy.Selectors = old
		w.reconfigure(d, "selectors: %v, as they were", old)
	}
}

// leavesBehind takes note of selectors that the domain has no more. A person removes their records when that is said.
func (w *world) leavesBehind(d *domain, old [2]string) {
	d.former = append(d.former, old[:]...)
	for _, s := range old {
		n := w.names[nameOf(d.name, s)]
		w.after(day, func() { w.removeLeft(d, n, 2*365) })
		w.rob(d, n)
	}
}

// ledBack has the operator write the old selectors back, where a rollback has led the domain back to them.
func (w *world) ledBack(d *domain, st rotate.State) {
	left, old := d.want.Policy.Selectors, slices.Sorted(maps.Keys(st.Selectors))
	if st.Selectors[left[0]] != nil || len(old) != 2 {
		return
	}
	w.leavesBehind(d, left)
	d.cameBack = w.now
	w.after(spread(w.faults, time.Minute, day), func() { w.writeBack(d, left, [2]string(old)) })
}

// writeBack writes the old selectors into the policy, as soon as no process is at work.
func (w *world) writeBack(d *domain, left, old [2]string) {
	switch {
	case d.want.Policy.Selectors != left:
	case w.working():
		w.after(10*time.Minute, func() { w.writeBack(d, left, old) })
	default:
		d.want.Policy.Selectors = old
		w.reconfigure(d, "selectors: %v, after the rollback", old)
	}
}

// checkFormer: when the records of a domain's old selectors are gone, so are their private keys (I7).
func (w *world) checkFormer(d *domain) {
	for _, s := range d.former {
		n := w.names[nameOf(d.name, s)]
		if last := n.last(); len(last.values) == 0 && w.now.Sub(last.at) > movesOver && w.vault.live(n.name) > 0 {
			w.violate("I7", d.name, "in the end the keystore holds %d keys at %s, which the domain has left, and whose record "+
				"is gone since %s", w.vault.live(n.name), n.name, stamp(last.at))
		}
	}
}
