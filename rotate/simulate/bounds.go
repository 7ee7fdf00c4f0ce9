package simulate

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What a run could do at once is watched here: one thing that is wrong does not stop
// another that can be done. A part that fails excuses what needs that part, and
// nothing else.

// checkBounds holds a run that has ended against what it could have done.
func (p *process) checkBounds(d *domain, res engine.Result) {
	t := p.turn
	p.checkDrift(d, res)
	if p.turnedDown(d, res) {
		return
	}
	if p.halted || !p.plays(bounds) || !p.alive || t.broken || !p.sensible(d) || p.store.emptied(t.began) ||
		fault.CodeOf(res.Err) == codes.LeaseHeld {
		return
	}
	st, err := p.store.load(d.name)
	if err == nil && st.Released == nil && p.plays(movers) {
		p.checkLeftRepaired(d, st)
	}
	if err != nil || st.Released != nil || st.Phase == rotate.New || st.Phase == rotate.Bootstrapping {
		return
	}
	for _, s := range managing(d, st).Selectors {
		p.checkRepaired(d, st, s)
		p.checkRevoked(d, st, s)
	}
	for _, name := range d.want.Signers {
		p.checkAligned(d, st, name)
		p.checkFled(d, st, name)
		p.checkForsaken(d, st, name)
	}
}

// turnedDown reports that a person's wish was refused: the command did nothing else.
func (p *process) turnedDown(d *domain, res engine.Result) bool {
	known := []codes.Code{codes.Window, codes.Freeze, codes.PlanOnly, codes.Threshold, codes.OnHold}
	return p.ordering != nil && d.orders == p.turn.orders || slices.Contains(known, fault.CodeOf(res.Err))
}

// sensible reports whether the state is the newest one, and the domain dkimbot's alone.
func (w *world) sensible(d *domain) bool {
	return w.store.lost == nil && w.store.rolled == 0 && !d.rolledBack && !d.released && !w.open(d) &&
		!w.sc.Unchecked[d.name] && !w.shared(d)
}

// checkRepaired: a record that stands nowhere any more is published again at the next look.
func (p *process) checkRepaired(d *domain, st rotate.State, selector string) {
	name, key := nameOf(d.name, selector), st.Selectors[selector].Key
	sight, looked := p.turn.planned[name]
	n := p.names[name]
	if !looked || len(sight.Values) > 0 || len(n.last().values) > 0 || n.last().at.After(p.turn.looked[name]) ||
		p.turn.wrote(name) {
		return
	}
	if key == nil || key.ID == "" || st.Selectors[selector].Next != nil || p.leaks[key.ID] != nil {
		return
	}
	p.violate("I7", d.name, "%s: the record at %s is gone, nothing stands in the way, "+
		"and the run did not publish it again", p.name, name)
}

// checkRevoked: a compromised key that no signer uses, or that is to be revoked whoever
// does, is revoked in the first run in which DNS could be asked where.
func (p *process) checkRevoked(d *domain, st rotate.State, selector string) {
	name := nameOf(d.name, selector)
	sight, looked := p.turn.sight(name)
	if !looked || p.turn.wrote(name) || !sight.Complete && !sight.Silent || len(sight.Values) != 1 {
		return
	}
	last := p.names[name].last()
	l := p.leaks[p.keys.of(sight.Values[0])]
	if l == nil || !slices.Equal(last.values, sight.Values) || last.at.After(p.turn.looked[name]) {
		return
	}
	if !l.now && (p.used(l.ref) || selector == st.Active || !p.left(st, selector)) {
		return
	}
	p.violate("I7", d.name, "%s: %s was reported as compromised, DNS works and shows it at %s, "+
		"and the run did not revoke it", p.name, p.keys.label(l.ref.KeyID), name)
}

// left reports whether a signer has said that it left the selector since it was told to; one
// that was sent back and was not reached since may yet do something else.
func (p *process) left(st rotate.State, selector string) bool {
	for _, c := range st.Signers {
		if c.Selector != selector && !c.Unsure {
			return true
		}
	}
	return false
}

// good reports whether every server shows the selector's key, alone, and signers may use it; where
// servers that do not answer are not waited for, every one that answers.
func (p *process) good(st rotate.State, name dkim.Name, heard bool) bool {
	sel := st.Selectors[name.Selector]
	sight, looked := p.turn.sight(name)
	if sel == nil || sel.Key == nil || sel.Next != nil || !looked || !sight.Complete && !(heard && sight.Silent) ||
		len(sight.Values) != 1 || p.keys.of(sight.Values[0]) != sel.Key.ID {
		return false
	}
	kept, _ := p.vault.holds(name, sel.Key.ID)
	known := sel.Key.VerifiedAt.Add(sel.Key.CacheWait)
	return kept && !p.turn.unread[name] && p.leaks[sel.Key.ID] == nil && !sel.Key.VerifiedAt.IsZero() &&
		!known.After(p.turn.acted.Add(p.offset))
}

// strayedSince reports whether a signer came to another key after the run asked it, by other
// hands: the engine plans by what it observed, and the next run brings it back.
func (p *process) strayedSince(d *domain, signer string) bool {
	h := p.hosts[signer]
	return h.strays[d.name] && !h.restored.Before(p.turn.asOf(h, p.turn.began))
}

// checkAligned: a signer that uses something else than the active key, which is good, is
// put back on it.
func (p *process) checkAligned(d *domain, st rotate.State, signer string) {
	ref, told := p.turn.signers[signer]
	active := nameOf(d.name, st.Active)
	if !told || p.strayedSince(d, signer) || st.Phase == rotate.Switching || !p.lame(ref) && p.shadowed(st, active) ||
		!p.good(st, active, p.lame(ref) && p.joins(st, signer)) || p.turn.has(rotate.Activate, active, signer) {
		return
	}
	if want := (dkim.Ref{Name: active, KeyID: st.Selectors[st.Active].Key.ID}); ref != want {
		p.violate("I7", d.name, "%s: %s signs with %q, the key at %s is good, and the run did not bring it there", p.name,
			signer, ref.Selector, active)
	}
}

// shadowed reports whether receivers may keep another key that stood at the name: a signer whose
// mail verifies as it is need not come there yet.
func (p *process) shadowed(st rotate.State, name dkim.Name) bool {
	key, settle := st.Selectors[name.Selector].Key, max(p.sc.Keep, p.domain(name.Domain).want.Policy.Settle)
	return key != nil && !key.ShadowedAt.IsZero() &&
		(p.Now().Before(key.ShadowedAt.Add(settle+day)) || p.Now().Before(key.Known(p.Now()).Add(settle)))
}

// lame reports whether a signer signs with nothing, or with a key that no server which answers shows.
func (p *process) lame(ref dkim.Ref) bool {
	sight, looked := p.turn.sight(ref.Name)
	known := ref.KeyID != "" // of a host that is gone it may not be known with which key it signed until then
	return ref.Selector == "" || known && looked && (sight.Complete || sight.Silent) &&
		!slices.ContainsFunc(sight.Values, func(v string) bool { return p.keys.of(v) == ref.KeyID })
}

// joins reports whether another signer is known to sign with the active key.
func (p *process) joins(st rotate.State, signer string) bool {
	for other, c := range st.Signers {
		if other != signer && !c.Unsure && c.Selector == st.Active && c.KeyID == st.Selectors[st.Active].Key.ID {
			return true
		}
	}
	return false
}

// checkFled: a signer that uses a compromised key is brought to the other one, if that is good.
func (p *process) checkFled(d *domain, st rotate.State, signer string) {
	ref, told := p.turn.signers[signer]
	if !told || p.strayedSince(d, signer) || p.leaks[ref.KeyID] == nil || ref.Domain != d.name {
		return
	}
	if key := st.Selectors[st.Active].Key; key != nil && p.leaks[key.ID] == nil &&
		!p.good(st, nameOf(d.name, st.Active), true) {
		return // it came back with an old key, and belongs on the active one, which can't be used now
	}
	other := nameOf(d.name, managing(d, st).Other(ref.Selector))
	if p.good(st, other, true) && !p.turn.has(rotate.Activate, other, signer) &&
		!p.turn.has(rotate.Activate, ref.Name, signer) {
		p.violate("I7", d.name, "%s: %s signs with %s, which was reported as compromised; "+
			"the key at %s is good, and the run did not bring it there",
			p.name, signer, p.keys.label(ref.KeyID), other)
	}
}
