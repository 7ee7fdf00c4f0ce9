package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Domains that are released are modelled here: what people do with them, and what
// may be purged, when.

// handBack releases a domain, to be purged or not, lets people move its hosts to
// something else, and takes it back some weeks later.
func (w *world) handBack(d *domain) {
	purge := w.faults.IntN(3) > 0
	if !w.order(d, rotate.Release{Purge: purge && w.faults.IntN(4) > 0}) {
		return
	}
	if purge { // where it was forgotten at first, it is asked for later
		w.after(spread(w.faults, time.Hour, 10*day), func() { w.clearAway(d, 24) })
	}
	for _, name := range w.hostNames {
		if w.faults.IntN(10) > 0 {
			w.after(spread(w.faults, time.Hour, 20*day), func() { w.moveAway(d, w.hosts[name], 20) })
		}
	}
	wait := spread(w.faults, time.Hour, 60*day)
	if purge {
		wait = between(w.faults, time.Hour, 60*day)
	}
	w.after(wait, func() { w.takeBack(d, 60) })
}

// clearAway asks for a released domain to be purged.
func (w *world) clearAway(d *domain, tries int) {
	if d.released && !d.purging && !w.order(d, rotate.Release{Purge: true}) && tries > 0 {
		w.after(time.Hour, func() { w.clearAway(d, tries-1) })
	}
}

// takeBack takes a released domain back, as soon as that is possible.
func (w *world) takeBack(d *domain, tries int) {
	if d.released && !w.order(d, rotate.Reclaim{}) && tries > 0 {
		w.after(12*time.Hour, func() { w.takeBack(d, tries-1) })
	}
}

// moveAway lets a person move a host of a released domain to something else. One that
// came back from a backup while the domain is to be purged is moved when dkimbot
// knows of it: it can't know of one that strays and leaves unseen.
func (w *world) moveAway(d *domain, h *host, tries int) {
	if !d.released || !h.given[d.name] {
		return
	}
	if d.purging && h.strays[d.name] && !w.knowsUsed(d, h.restored) {
		w.lookAfter(d)
		if tries > 0 {
			w.after(12*time.Hour, func() { w.moveAway(d, h, tries-1) })
		}
		return
	}
	h.leave(d.name, w.faults.IntN(3) > 0)
	if w.faults.IntN(2) == 0 { // and wants to see what dkimbot says
		w.after(spread(w.faults, time.Second, time.Hour), func() { w.lookAfter(d) })
	}
}

// lookAfter lets a person have a domain looked after.
func (w *world) lookAfter(d *domain) {
	if w.free(d) {
		w.log(d.name, "an operator has the domain looked after")
		w.command(w.person.wants(d), rotate.Request{})
	}
}

// knowsUsed reports whether dkimbot has noted that a key may be in use since then.
func (w *world) knowsUsed(d *domain, since time.Time) bool {
	st, err := w.store.load(d.name)
	return err == nil && w.free(d) && st.Released != nil && !st.Released.Unused &&
		!st.Released.LastUsed.Before(since.Add(w.offset))
}

// leave makes the host sign the domain's mail with a key of its own, or not at all, by a
// person's hand: dkimbot sees that at once; it is in effect within the lag, like a
// switch. Of mail that is signed with other keys nothing is promised, so there is none.
func (h *host) leave(domain string, own bool) {
	w := h.world
	w.log(domain, "%s is moved to something else", h.name)
	delete(h.disk.table, domain)
	delete(h.unread, domain)
	delete(h.coming, domain)
	if h.disk.own[domain] = ""; own {
		h.disk.own[domain] = "own"
	}
	h.heeded[domain] = h.orders + 1 // what comes late finds nobody
	wait := between(w.faults, 0, h.lag)
	if w.faults.IntN(2) == 0 {
		wait = h.lag
	}
	at := w.now.Add(wait)
	h.leaving[domain] = at
	w.at(at, func() {
		if left, ok := h.leaving[domain]; !ok || !left.Equal(at) {
			return
		}
		h.lastWords(domain)
		h.stay(domain)
		delete(h.loaded, domain)
		for _, m := range []map[string]bool{h.given, h.excused, h.strays} {
			delete(m, domain)
		}
		w.log(domain, "%s signs with something else", h.name)
	})
}

// stay takes a leave that is not in effect yet back.
func (h *host) stay(domain string) { delete(h.leaving, domain) }

// clears reports whether what stands at a name may be purged, as far as people want.
func (w *world) clears(domain string, kind rotate.Kind) bool {
	d := w.domain(domain)
	return d.purging && (kind == rotate.Revoke || kind == rotate.Destroy)
}

// cleared notes that a key goes because its domain was released.
func (w *world) cleared(keyID string) { w.purged[keyID] = true }

// checkCleared checks, when a domain counts as purged, that nothing of it is left (I7).
func (w *world) checkCleared(d *domain) {
	w.report.Purges++
	for _, s := range d.want.Policy.Selectors {
		n := w.names[nameOf(d.name, s)]
		left := slices.DeleteFunc(slices.Clone(n.last().values), func(v string) bool { return w.strangers[v] })
		if live := w.vault.live(nameOf(d.name, s)); live != 0 || w.keys.other(left, "") {
			w.violate("I7", d.name, "the domain counts as purged; at %s, DNS shows %s and the keystore holds %d keys",
				n.name, w.labels(n.last().values), live)
		}
		if w.faults.IntN(2) == 0 {
			w.after(spread(w.faults, time.Hour, 30*day), func() { w.sweep(d, n) })
		}
	}
}

// sweep lets a person remove a revoked record that is of no use any more.
func (w *world) sweep(d *domain, n *zoneName) {
	if last := n.last().values; d.released && !d.purging && len(last) == 1 && w.keys.revoked(last[0]) {
		w.change(n, nil, 0)
		w.log(d.name, "somebody removes the revoked record at %s", n.name)
	}
}

// shows reports whether a record with the key stands at the provider.
func (n *zoneName) shows(w *world, keyID string) bool {
	return slices.ContainsFunc(n.last().values, func(v string) bool { return w.keys.of(v) == keyID })
}

// ownRef is what a host answers that signs with something of its own.
func ownRef(domain, selector string) dkim.Ref {
	return dkim.Ref{Name: nameOf(domain, selector), KeyID: "a key of its own"}
}
