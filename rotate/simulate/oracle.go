package simulate

import (
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// The oracles hold every effect, every write of the state and every message against
// the invariants. They know only the world, never what the engine thinks of it.

// enter notes that a process begins an effect on a domain, and returns what notes
// its end (I8).
func (p *process) enter(e effect) (leave func()) {
	d := p.domain(e.name.Domain)
	p.checkMisled(e)
	if e.kind == "" || d == nil {
		return func() {}
	}
	p.checkApproved(e)
	before := d.acting
	if before != nil && before != p && before.alive && !before.stopped && !p.store.emptied(before.began) {
		// what a dead one had begun may come late, and is looked for
		p.violate("I8", d.name, "%s: %s, while %s has something else under way", p.name, e.what, before.name)
	}
	d.acting = p
	return func() { d.acting = before }
}

// clockHeld reports that the clock was not set lately.
func (w *world) clockHeld() bool { return w.jumped.IsZero() || w.now.Sub(w.jumped) > 2*time.Hour }

// allowed checks that an effect was intended (I7), by the one who may act (I8),
// and not by one that has lost its memory (I12).
func (p *process) allowed(e effect) {
	d := p.domain(e.name.Domain)
	if e.kind == "" || d == nil || p.halted {
		return
	}
	d.effects++
	if d.released && !p.clears(d.name, e.kind) {
		p.violate("I6", d.name, "%s: %s, for a domain that was released", p.name, e.what)
	}
	if owner := p.store.leases[d.name].Owner; owner != p.owner && !p.store.emptied(p.began) {
		p.violate("I8", d.name, "%s: %s, without the lease, which %q holds", p.name, e.what, owner)
	}
	if p.store.lost != nil && p.began.After(p.store.lostAt) {
		p.violate("I12", d.name, "%s: %s, though the state is lost", p.name, e.what)
	}
	i := d.intent
	if p.store.emptied(p.began) {
		return
	}
	if i == nil || i.Kind != e.kind || i.Selector != e.name.Selector || i.KeyID != e.keyID && e.kind != rotate.Destroy &&
		e.kind != rotate.Revoke || e.kind == rotate.Activate && !i.Switches(e.signer) {
		p.violate("I7", d.name, "%s: %s, without a recorded intent", p.name, e.what)
	}
}

// emptied reports that the database was lost or came back since: whoever was in the
// middle of something may finish the effect in hand.
func (m *memory) emptied(since time.Time) bool {
	return !m.swapped.IsZero() && !since.After(m.swapped)
}

// saved takes note of a state that was written, and checks that the drain begins
// when the last signer's switch is in effect (I10).
func (w *world) saved(st rotate.State, events []rotate.Event) {
	d := w.domain(st.Domain)
	if !w.sc.Strict {
		w.milestone(d, st)
	}
	was, since := d.phase, d.switchAt
	if was != st.Phase {
		d.phaseAt = w.now
	}
	switch {
	case was == st.Phase || w.store.lost != nil:
	case was == rotate.Draining: // a switch that continues after some were sent back is the same,
		d.resumes = st.Phase == rotate.Switching
	case st.Phase == rotate.Draining && d.resumes: // and its drain is the one that was interrupted
	default:
		d.switchAt, d.resumes = w.now, false
	}
	d.phase, d.intent = st.Phase, nil
	if d.reconfigured = d.reconfigured && st.Config != d.want.Fingerprint(); !d.reconfigured && d.changed {
		d.changed = false
		w.follow(d, st)
	}
	if st.Intent != nil {
		i := *st.Intent
		d.intent = &i
	}
	for _, e := range events {
		w.logEvent(e)
		w.obeyed(d, e, st)
	}
	if d.purging && st.Released != nil && !st.Released.Purged.IsZero() {
		d.purging = false
		w.checkCleared(d)
	}
	if was != rotate.Switching || st.Phase != rotate.Draining || w.halted {
		return
	}
	w.report.Rotations++
	if !st.Selectors[st.Draining].Key.Leaked.IsZero() && !st.Selectors[st.Active].Key.Leaked.IsZero() {
		return // no signer can leave it for a good key: nothing drains, it is replaced at once
	}
	// the clock may have been set since the state was made, while the process was stopped: who reads it adjusts it
	st, _ = st.Adjusted(rotate.Instant{At: w.now.Add(w.offset), Boot: "boot", Up: w.now.Sub(w.sc.Start)})
	at := st.SwitchedAt.Add(-w.offset)
	for _, name := range d.want.Signers {
		h := w.hosts[name]
		ref, in := h.loaded[d.name], h.since[d.name]
		if c, ok := h.coming[d.name]; ok {
			ref, in = c.ref, c.at
		}
		if h.given[d.name] && (ref.Selector != st.Active || in.After(at.Add(w.tolerance))) && h.restored.Before(since) {
			w.violate("I10", d.name, "the drain of %s begins at %s, when %s signs with %q until %s", st.Draining, stamp(at),
				name, ref.Selector, stamp(in))
		}
	}
}

// checkPublish holds a publication against I2 to I6.
func (p *process) checkPublish(n *zoneName, rec dkim.TXT, by *turn) {
	w, last, id := p.world, n.last(), p.keys.of(rec.Value)
	if w.halted {
		return
	}
	if p.overwritten(n, by) || n.foreign || slices.ContainsFunc(last.values, p.keys.foreign) && n.disturbed.IsZero() ||
		p.belongs(last.values, by) {
		w.violate("I6", n.name.Domain, "somebody else's record at %s is overwritten", n.name)
	}
	if p.keys.revoked(rec.Value) {
		p.checkRevoke(n, last, by)
		return
	}
	if w.keys.of(n.ours) == id && (!n.disturbed.IsZero() || w.neededAgain(n, id)) {
		return // somebody else removed it
	}
	if d := w.domain(n.name.Domain); d.rolledBack && w.vault.right != nil && w.keys.seen[id] {
		return // neither the state nor the keystore knows better
	}
	if n.made[rec.Value] && len(last.values) == 0 && w.inUse(n.name) {
		return // a person removed it when signers had left it, and a host came back to the selector from a backup
	}
	if slices.Contains(last.values, rec.Value) {
		return // it stands there, and does not show everywhere
	}
	kept, read := w.vault.holds(w.acts(n, by), id)
	if !kept || !read {
		w.violate("I4", n.name.Domain, "%s is published at %s before it was stored and read back", w.keys.label(id), n.name)
	}
	if w.keys.seen[id] && !(n.made[rec.Value] && len(last.values) == 0 && kept && w.oldState(n.name.Domain)) {
		w.violate("I5", n.name.Domain, "%s is published at %s, and was published before", w.keys.label(id), n.name)
	}
	w.keys.seen[id] = true
	for _, old := range last.values {
		if w.keys.of(old) == id || w.strangers[old] {
			continue // the same key, with a record that says it better
		}
		if l := w.leaks[w.keys.of(old)]; l != nil {
			w.checkEnded(l)
			continue
		}
		w.checkReplace(n, w.keys.of(old), by, p.began)
	}
}

// oldState reports whether the state of a domain came back from a backup. It does not know which records a person
// removed since, when they were left; their keys are there as before.
func (w *world) oldState(domain string) bool {
	return w.store.rolled > 0 || w.domain(domain).rolledBack
}

// neededAgain reports whether a record that a person removed, when it was said that it may go, is needed again: a host
// came back to its key since, or the domain to its selector.
func (w *world) neededAgain(n *zoneName, keyID string) bool {
	last := n.last()
	return len(last.values) == 0 && (w.lastUse[keyID].After(last.at) || w.domain(n.name.Domain).cameBack.After(last.at))
}

// checkReplace holds the replacement of a record against I2: no signer signs with its
// key, and none did within the time that mail may be under way.
func (w *world) checkReplace(n *zoneName, old string, by *turn, began time.Time) {
	ref := dkim.Ref{Name: n.name, KeyID: old}
	for _, name := range w.hostNames {
		h := w.hosts[name]
		held := h.loaded[n.name.Domain] == ref || h.coming[n.name.Domain].ref == ref
		switch {
		case !held || h.excused[n.name.Domain]:
		case !h.restored.Before(by.asOf(h, began)):
			h.excused[n.name.Domain] = true // restored after it was asked: dkimbot can't know
			w.unknowable[ref] = append(w.unknowable[ref], span{h.name, h.restored})
		default:
			w.violate("I2", n.name.Domain, "%s is replaced at %s while %s signs with it", w.keys.label(old), n.name, name)
		}
	}
	if until, ok := w.needed[old]; ok {
		w.margin(drainWait, n.name, w.now.Sub(until))
	}
}

// held remembers when a host last signed with a key.
func (w *world) held(h *host, ref dkim.Ref) {
	if !h.excused[ref.Domain] && !h.idle[ref.Domain] {
		w.lastHeld[ref.KeyID] = w.now
		if until := w.now.Add(w.queued(w.domain(ref.Domain))); until.After(w.needed[ref.KeyID]) {
			w.needed[ref.KeyID] = until
		}
	}
}

// lastLook is how long before a host is told to use a key its record is looked at, at the most.
const lastLook = 10 * time.Minute

// checkUse holds the first use of a key against I2: every server shows its record,
// and no cache can hold what was there before. When signers leave a compromised key, receivers
// that keep keys are not waited for, resolvers are.
func (w *world) checkUse(h *host, ref dkim.Ref) {
	n := w.names[ref.Name]
	if l := w.leaks[ref.KeyID]; w.halted || n == nil || l != nil && !l.unused {
		return
	}
	if told := h.toldAt(ref.Domain); n.otherwiseSince(told.Add(-lastLook)) &&
		(w.showedAlone(n, ref.KeyID, told) || w.showedAlone(n, ref.KeyID, told.Add(-lastLook))) {
		return // somebody else changed it, and no server showed that yet at the last look
	}
	if h.blind[ref.Domain] {
		return // DNS did not answer when it was told, and what was seen last was good
	}
	if until, unshown := w.unshown[ref.KeyID]; unshown && w.now.Before(until) {
		return // the servers that show it not did not answer, and it did not have to wait for them
	}
	if !w.showAlone(n, ref.KeyID, false) {
		w.violate("I2", ref.Domain, "%s signs with %s (%s), which not every name server shows", h.name, ref.Selector,
			w.keys.label(ref.KeyID))
		return
	}
	_, at := n.standing()
	resolvers, receivers, kind := n.forgotten(w, at, ref.KeyID)
	if _, hurried := w.hurried[ref.KeyID]; (hurried || h.rescued[ref.Domain]) && receivers.After(w.now) {
		w.margin(resolverWait, ref.Name, w.now.Sub(resolvers))
		return
	}
	w.margin(kind, ref.Name, w.now.Sub(receivers))
}

// forgotten returns when no resolver, and when no receiver either, can remember
// what stood at the name before the change at place at, and which wait decides that.
func (n *zoneName) forgotten(w *world, at int, keyID string) (resolvers, receivers time.Time, kind string) {
	later := func(t *time.Time, u time.Time) bool {
		if u.After(*t) {
			*t = u
			return true
		}
		return false
	}
	for i := range min(at+1, len(n.changes)) {
		var before change
		if i > 0 {
			before = n.changes[i-1]
		}
		gone := w.lastShown(before, n.changes[i])
		if w.keys.only(before.answer(), keyID) || before.others && (!before.seen || w.sharedName(n.name)) {
			continue // of two domains at one name each knows only what it saw itself
		}
		cached := gone.Add(max(w.sc.negative, before.ttl))
		later(&resolvers, cached)
		if !w.keys.other(before.answer(), keyID) { // nothing that a receiver would keep
			if later(&receivers, cached) {
				kind = negativeWait
			}
			continue
		}
		// A receiver may have fetched the old records from a resolver just before it expired there.
		if later(&receivers, gone.Add(w.sc.Keep+before.ttl)) {
			kind = settleWait
		}
	}
	return resolvers, receivers, kind
}

// checkDestroy holds the end of a private key against I5, its record is gone from
// every name server, and I1, no signer signs with it.
func (p *process) checkDestroy(name dkim.Name, keyID string) {
	n := p.names[name]
	if p.halted || keyID == "" || n == nil {
		return
	}
	for _, h := range p.hosts {
		ref := dkim.Ref{Name: name, KeyID: keyID}
		_, leaves := h.coming[name.Domain]
		if l := p.leaks[keyID]; l != nil && (h.lingers[name.Domain] || l.now && !h.up(p.now) && !n.shows(p.world, keyID)) {
			continue // nothing waits for it in an emergency; and mail that is signed with a revoked key fails anyway
		}
		if h.loaded[name.Domain] == ref && !leaves && !h.strays[name.Domain] && !h.excused[name.Domain] {
			p.violate("I1", name.Domain, "the private key %s is destroyed while %s signs with it", p.keys.label(keyID), h.name)
		}
	}
	if p.clears(name.Domain, rotate.Destroy) {
		p.cleared(keyID)
	}
	if p.purged[keyID] && n.shows(p.world, keyID) {
		p.violate("I5", name.Domain, "the private key %s is destroyed before its record at %s was revoked",
			p.keys.label(keyID), name)
	}
	if p.sc.Unchecked[name.Domain] || p.leaks[keyID] != nil || p.purged[keyID] {
		return // without a look at DNS it can't be promised; and what is compromised does not wait for DNS
	}
	last := n.last().values
	flight, rescue := false, false
	if len(last) == 1 {
		to := dkim.Ref{Name: name, KeyID: p.keys.of(last[0])}
		flight, rescue = p.fleeing(to), p.rescues(to)
	}
	for i := range p.servers {
		if flight && (rescue || !p.answers(i, p.now)) {
			continue // what signers flee to has taken the old key's place, and no signer needs that one again
		}
		for _, v := range n.shown(i, p.now).values {
			if p.keys.of(v) == keyID {
				p.violate("I5", name.Domain, "the private key %s is destroyed while DNS shows its record at %s",
					p.keys.label(keyID), name)
				return
			}
		}
	}
}

// checkRecords holds what stands in DNS against I3. Two values that a provider left
// behind when it failed half-way are dkimbot's to repair, not its doing.
func (w *world) checkRecords(n *zoneName, values []string) {
	if len(values) != 1 && !w.halted {
		w.violate("I3", n.name.Domain, "%d records stand at %s", len(values), n.name)
	}
}

// checkEnd holds the end against I7: whatever happened, everything is as if nothing had.
func (w *world) checkEnd() {
	for _, d := range w.domains {
		if d.rolledBack || d.shares || w.halted {
			continue
		}
		st, err := w.store.load(d.name)
		switch {
		case err != nil:
			w.violate("I7", d.name, "in the end the state can't be read: %v", err)
		case st.Failures > 0 || st.Phase == rotate.New || st.Phase == rotate.Bootstrapping:
			w.violate("I7", d.name, "in the end the domain is %s after %d failures: %s", st.Phase, st.Failures, st.LastError)
		default:
			w.checkRest(d, st)
			w.checkFormer(d)
			w.checkLeftGone(d, st)
		}
	}
}

func (w *world) checkRest(d *domain, st rotate.State) {
	for _, s := range managing(d, st).Selectors {
		n := w.names[nameOf(d.name, s)]
		key, values := st.Selectors[s].Key, n.last().values
		if st.Phase == rotate.Replacing {
			continue // in the middle of it when the run ended
		}
		if key == nil || len(values) != 1 || w.keys.of(values[0]) != key.ID {
			w.violate("I7", d.name, "in the end DNS shows %s at %s", w.labels(values), n.name)
		}
		if live := w.vault.live(n.name); live != 1 {
			w.violate("I7", d.name, "in the end the keystore holds %d keys at %s", live, n.name)
		}
	}
	for _, name := range d.want.Signers {
		if ref := w.hosts[name].loaded[d.name]; st.Phase == rotate.Ready && ref.Selector != st.Active {
			w.violate("I7", d.name, "in the end %s signs with %q, not with %s", name, ref.Selector, st.Active)
		}
	}
}

func (w *world) labels(values []string) string {
	if len(values) == 0 {
		return "no record"
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = w.keys.label(w.keys.of(v))
	}
	return strings.Join(out, " and ")
}

func nameOf(domain, selector string) dkim.Name { return dkim.Name{Domain: domain, Selector: selector} }
