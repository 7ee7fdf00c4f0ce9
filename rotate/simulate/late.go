package simulate

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// A compromised key is not left to whoever has it because a signer hangs: when others have left it, it is revoked
// before a signer that does not answer is tried. What is here watches that.

// watchOrder notes which revocations a signer that did not answer was tried before, and holds a revocation against
// that.
func (p *process) watchOrder(e effect) {
	d := p.domain(e.name.Domain)
	if p.halted || !p.plays(bounds) || p.turn == nil || d == nil || p.turn.domain != d.name || p.outlives {
		return
	}
	switch e.kind {
	case rotate.Activate:
		if p.turn.hears(e.signer) {
			return
		}
		st, err := p.store.load(d.name)
		from := nameOf(d.name, managing(d, st).Other(e.name.Selector))
		if err == nil && st.Released == nil && p.revocable(from) && p.left(st, from.Selector) {
			p.turn.waited[from] = e.signer
		}
	case rotate.Revoke:
		if late := p.turn.waited[e.name]; late != "" {
			p.violate("I7", d.name, "%s: signer %s did not answer, and was tried before the compromised key at %s was revoked, "+
				"which others had left", p.name, late, e.name)
		}
	}
}

// revocable reports whether DNS showed a compromised key at a name, alone, when the run looked last.
func (p *process) revocable(name dkim.Name) bool {
	sight, looked := p.turn.sight(name)
	return looked && sight.Complete && len(sight.Values) == 1 && p.leaks[p.keys.of(sight.Values[0])] != nil
}

// hears reports whether a signer answered when the run asked it last.
func (t *turn) hears(signer string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.silent[signer]
}
