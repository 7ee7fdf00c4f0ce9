package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Signers leave a selector at which somebody else's record stands, where the other one is good. What is here says when
// they may, and that they do.

// deserted reports whether a server shows somebody else's record at one of the domain's names, other than but, or
// did when a run may have looked last; or that name is another domain's as well.
func (w *world) deserted(d *domain, but string) bool {
	for _, s := range d.want.Policy.Selectors {
		n, name := w.names[nameOf(d.name, s)], nameOf(d.name, s)
		strange := func() bool { return w.strangeAt(n, w.now) || w.strangeAt(n, w.now.Add(-lastLook)) }
		if s != but && n != nil && (w.sharedName(name) || strange()) {
			return true
		}
	}
	return false
}

// vanished reports whether no server showed a record at a name of the domain's with which a host signs, other than but,
// when a run may have looked last: all that mail fails.
func (w *world) vanished(d *domain, but string) bool {
	return slices.ContainsFunc(d.want.Policy.Selectors[:], func(s string) bool {
		n := w.names[nameOf(d.name, s)]
		return s != but && w.inUse(n.name) && w.noneShowed(n, w.now.Add(-lastLook))
	})
}

// strangeAt reports whether a server showed somebody else's record at a name then, or led it away.
func (w *world) strangeAt(n *zoneName, then time.Time) bool {
	for i := range w.servers {
		c := n.shown(i, then)
		if c.led != nil || slices.ContainsFunc(c.values, func(v string) bool { return w.strangers[v] }) {
			return true
		}
	}
	return false
}

// checkForsaken: a signer does not stay where nothing but somebody else's record stands, while the other selector's key
// is good. A person's hold keeps it there, and a look just before it leaves that is not answered.
func (p *process) checkForsaken(d *domain, st rotate.State, signer string) {
	ref, told := p.turn.signers[signer]
	sel := st.Selectors[ref.Selector]
	if !told || p.strayedSince(d, signer) || sel == nil || sel.Key == nil || sel.Key.ID != ref.KeyID || len(st.Held) > 0 ||
		st.OnHold != nil || p.leaks[ref.KeyID] != nil || !p.strangersOnly(p.turn.planned[ref.Name], ref.KeyID) {
		return
	}
	if sight, looked := p.turn.sight(ref.Name); !looked || p.turn.missed[ref.Name] || !p.strangersOnly(sight, ref.KeyID) {
		return
	}
	other := nameOf(d.name, managing(d, st).Other(ref.Selector))
	if p.good(st, other, false) && !p.turn.has(rotate.Activate, other, signer) {
		p.violate("I7", d.name, "%s: %s signs with %s, in the place of which somebody else's record stands; "+
			"the key at %s is good, and the run did not bring it there", p.name, signer, p.keys.label(ref.KeyID), other)
	}
}

// strangersOnly reports whether all servers showed somebody else's record at a name, and not that of a key.
func (p *process) strangersOnly(s rotate.Sight, keyID string) bool {
	return s.Complete && len(s.Values) > 0 && !slices.ContainsFunc(s.Values, func(v string) bool {
		return !p.strangers[v] || p.keys.of(v) == keyID
	})
}

// leaves reports whether signers may come to a key before it has settled because the other selector is deserted,
// or its record has vanished.
func (w *world) leaves(ref dkim.Ref) bool {
	d := w.domain(ref.Domain)
	return d != nil && (w.deserted(d, ref.Selector) || w.vanished(d, ref.Selector))
}
