package simulate

import (
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// leak is a key that was reported as compromised. Nothing is promised for mail that
// is signed with it; everything is promised about its end.
type leak struct {
	ref  dkim.Ref
	at   time.Time
	now  bool // it is to be revoked even while every signer signs with it
	used bool // it was the one that signs: signers have to leave it
	over bool // it can't be seen or used any more

	unused bool // it was not reported, but given up with one that was, before a signer used it
}

// leaked takes note of a report of the keys at a selector, as it was written. One that was made
// before means the same key as then, and not a fresh one that takes its place.
func (w *world) leaked(d *domain, e rotate.Event, st rotate.State) {
	selector := e.Selector
	sel := rotate.SelectorAt(st, selector)
	if l := w.leaks[e.KeyID]; l != nil && !l.unused {
		l.now = l.now || sel.Key != nil && sel.Key.ID == e.KeyID && sel.Key.RevokeNow
		l.used = l.used || selector == st.Active && sel.Key.ID == e.KeyID || w.used(l.ref)
		w.watch(d, l)
		return
	}
	for _, k := range []*rotate.Key{sel.Key, sel.Next} {
		if k == nil {
			continue
		}
		l := w.leaks[k.ID]
		if l == nil {
			l = &leak{ref: dkim.Ref{Name: nameOf(d.name, selector), KeyID: k.ID}, at: w.now}
			w.leaks[k.ID] = l
			w.log(d.name, "%s is reported as compromised", w.keys.label(k.ID))
		}
		l.unused = false
		l.now = l.now || k.RevokeNow
		l.used = l.used || selector == st.Active || w.used(l.ref)
		w.watch(d, l)
	}
	for _, r := range sel.Retired {
		if r.Dropped && w.leaks[r.KeyID] == nil { // its record may yet come late
			w.leaks[r.KeyID] = &leak{ref: dkim.Ref{Name: nameOf(d.name, selector), KeyID: r.KeyID}, at: w.now, unused: true}
		}
	}
	last := w.names[nameOf(d.name, selector)].last()
	for _, v := range last.values { // also a fresh one that is given up for it
		if id := w.keys.of(v); id != "" && w.leaks[id] == nil && !w.strangers[v] && !w.others(d, id) && last.led == nil {
			w.leaks[id] = &leak{ref: dkim.Ref{Name: nameOf(d.name, selector), KeyID: id}, at: w.now, unused: true}
		}
	}
}

// leaksInOrder returns them always in the same order: asking for the end of one is noted, so how far it
// is asked decides what is found later.
func (w *world) leaksInOrder() []*leak {
	out := make([]*leak, 0, len(w.leaks))
	for _, id := range slices.Sorted(maps.Keys(w.leaks)) {
		out = append(out, w.leaks[id])
	}
	return out
}

// used reports whether a host signs with the key, or is about to.
func (w *world) used(ref dkim.Ref) bool {
	for _, h := range w.hosts {
		if h.loaded[ref.Domain] == ref || h.coming[ref.Domain].ref == ref {
			return true
		}
	}
	return false
}

// inUse reports whether a host signs with a key at the selector, or is about to.
func (w *world) inUse(name dkim.Name) bool {
	for _, h := range w.hosts {
		if h.loaded[name.Domain].Name == name || h.coming[name.Domain].ref.Name == name {
			return true
		}
	}
	return false
}

// signsWith takes note that a host begins to sign with a key, or is about to.
func (w *world) signsWith(ref dkim.Ref) {
	if l := w.leaks[ref.KeyID]; l != nil {
		l.used = true
	}
}

// hurry takes note that a signer is told to use a key that has not settled, if it
// may: then receivers that keep keys are not waited for.
func (w *world) hurry(ref dkim.Ref) {
	n := w.names[ref.Name]
	_, at := n.standing()
	_, receivers, _ := n.forgotten(w, at, ref.KeyID)
	if len(n.changes) > 0 && receivers.After(w.now) && (w.fleeing(ref) || w.leaves(ref)) {
		w.hurried[ref.KeyID] = receivers
	}
}

// fleeing reports whether signers may come to a key before it has settled: they have
// to leave one that is compromised, also one that was revoked at the same selector while they
// sign with it; or the key came to use in this way, and has not settled yet.
func (w *world) fleeing(ref dkim.Ref) bool {
	if until, hurried := w.hurried[ref.KeyID]; hurried && w.now.Before(until.Add(w.tolerance)) {
		return true
	}
	for _, l := range w.leaksInOrder() {
		if l.ref.Domain == ref.Domain && l.used && !w.cured(l) && (l.ref.Selector != ref.Selector || w.used(l.ref)) {
			return true
		}
	}
	return false
}

// cured reports whether a compromised key has come to its end: no server shows it, the
// keystore does not hold it, no signer signs with it.
func (w *world) cured(l *leak) bool {
	if l.over {
		return true
	}
	kept, _ := w.vault.holds(l.ref.Name, l.ref.KeyID)
	if kept || w.used(l.ref) {
		return false
	}
	n := w.names[l.ref.Name]
	for i := range w.servers {
		for _, v := range n.shown(i, w.now).values {
			if w.keys.of(v) == l.ref.KeyID {
				return false
			}
		}
	}
	l.over = true
	return true
}

// forgone reports whether a message that does not verify pays for an emergency: it
// was signed with a key that is compromised; or with the key that signers fled to before it
// had settled, and the receiver keeps keys, or while a server that did not answer dkimbot
// shows something else.
func (w *world) forgone(m message, r *receiver) bool {
	until, hurried := w.hurried[m.ref.KeyID]
	l := w.leaks[m.ref.KeyID]
	return l != nil && !l.unused || w.now.Before(w.unshown[m.ref.KeyID]) ||
		hurried && r.keep > 0 && w.now.Before(until.Add(w.tolerance))
}

// checkRevoke holds a revocation to its order (I2): the key was reported as
// compromised, and mail can be signed with another one; or the domain is to be cleared
// away, and no signer needs the key.
func (p *process) checkRevoke(n *zoneName, last change, by *turn) {
	w := p.world
	for _, v := range last.values {
		id := w.keys.of(v)
		switch l := w.leaks[id]; {
		case id == "" || w.strangers[v]:
		case w.clears(w.acts(n, by).Domain, rotate.Revoke):
			w.cleared(id)
			w.checkReplace(n, id, by, p.began)
		case l == nil && !w.everUsed(id) && slices.ContainsFunc(last.values, w.givenUp): // a fresh one that stood beside it
		case l == nil:
			w.violate("I2", n.name.Domain, "%s is revoked at %s, and was not reported as compromised",
				w.keys.label(id), n.name)
		default:
			w.checkEnded(l)
		}
	}
}

// everUsed reports whether a host has signed with a key.
func (w *world) everUsed(keyID string) bool {
	_, used := w.lastHeld[keyID]
	return used || slices.ContainsFunc(w.hostNames, func(name string) bool {
		h := w.hosts[name]
		return slices.ContainsFunc(w.domains, func(d *domain) bool {
			return h.loaded[d.name].KeyID == keyID || h.coming[d.name].ref.KeyID == keyID
		})
	})
}

// givenUp reports whether a record publishes a key that was reported as compromised, or is what is left of one.
func (w *world) givenUp(value string) bool {
	return w.leaks[w.keys.of(value)] != nil || w.keys.revoked(value)
}

// checkEnded checks, when the record of a compromised key goes, that some signer has left
// the key: otherwise no mail verifies any more (I2). Of one that strays that can't be known.
func (w *world) checkEnded(l *leak) {
	if l.now || !w.used(l.ref) {
		return
	}
	for _, h := range w.hosts {
		next, leaves := h.coming[l.ref.Domain]
		if !h.given[l.ref.Domain] && !leaves {
			continue // a new one that was switched has not left the key, but signs with another
		}
		if h.strays[l.ref.Domain] || h.excused[l.ref.Domain] || h.loaded[l.ref.Domain] != l.ref || leaves &&
			next.ref != l.ref {
			return
		}
	}
	w.violate("I2", l.ref.Domain, "the record of %s goes while every signer signs with it", w.keys.label(l.ref.KeyID))
}

// watch sees to it that a compromised key comes to its end, within days without faults (I7):
// caches have to forget what stood at the other selector before signers go there, and
// where that one's private key is lost, mail in flight comes first.
func (w *world) watch(d *domain, l *leak) {
	st, _ := w.store.load(d.name)
	p := managing(d, st)
	at := w.now
	if begin := w.quiet.Add(oldStates + day); at.Before(begin) {
		at = begin
	}
	at = at.Add(3*day + 2*p.TTL + w.sc.negative)
	if w.vault.live(nameOf(d.name, p.Other(l.ref.Selector))) == 0 || w.now.Sub(d.lostKeyAt) < 2*p.Drain ||
		w.quiet.Sub(d.lostKeyAt) < 2*p.Drain {
		at = at.Add(p.Drain)
	}
	w.at(at, func() { w.checkCured(d, l) })
}

func (w *world) checkCured(d *domain, l *leak) {
	if d.phase == rotate.New || d.phase == rotate.Bootstrapping {
		// taken back: its hosts come to new keys when those have settled
		w.after(day, func() { w.checkCured(d, l) })
		return
	}
	if !d.rolledBack && !w.displaced(d) && !w.cured(l) {
		w.violate("I7", d.name, "%s was reported as compromised on %s, and still it is at %s", w.keys.label(l.ref.KeyID),
			stamp(l.at), l.ref.Name)
	}
}

// drills are what happens when everything else is well: a host comes back from a
// backup, and keys leak. That has to be repaired within days.
func (w *world) drills() {
	w.at(w.quiet.Add(2*oldStates), func() {
		h := w.hosts[w.hostNames[w.faults.IntN(len(w.hostNames))]]
		h.restore()
		w.lookAfterAll()
		if h.agent != nil { // what is reported at once is its last report
			w.after(2*agentPoll, w.lookAfterAll)
		}
		w.after(2*day, func() { w.checkBack(h) })
	})
	for _, d := range w.domains {
		w.at(w.quiet.Add(3*oldStates), func() { w.reportLeak(d) })
	}
}

// signsRightly reports whether the host signs with the domain's active key, however it came to it.
func (w *world) signsRightly(h *host, d *domain) bool {
	st, err := w.store.load(d.name)
	key := st.Selectors[st.Active]
	return err == nil && key != nil && key.Key != nil && h.loaded[d.name].KeyID == key.Key.ID
}

// checkBack checks that a host which was restored does not stray any more (I7).
func (w *world) checkBack(h *host) {
	for _, d := range w.domains {
		astray := (h.strays[d.name] || h.excused[d.name]) && !w.signsRightly(h, d)
		if h.given[d.name] && !d.rolledBack && !d.released && !w.displaced(d) && d.phase != rotate.New &&
			d.phase != rotate.Bootstrapping && astray {
			w.violate("I7", d.name, "%s came back from a backup on %s, and still signs with what it held", h.name,
				stamp(h.restored))
		}
	}
}
