package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// The operator changes the configuration here, between the runs and in every phase: waits, kind of keys, signers,
// selectors and keystore, and puts domains on hold. What the operator has to do at the same time is in
// dkimbot-changes(7), and is done.

// changeConfiguration sets the changes that are made to a domain.
func (w *world) changeConfiguration(d *domain) {
	w.often(3, func() { w.whileIdle(d, w.changeWaits) })
	w.often(1, func() { w.whileIdle(d, w.changeKind) })
	w.often(1.5, func() { w.whileIdle(d, w.renameSigner) })
	w.often(2, func() { w.whileIdle(d, w.addOrRemoveSigner) })
	w.often(1, func() { w.putOnHold(d) })
	w.often(0.7, func() { w.whileIdle(d, w.changeSelectors) })
}

// whileIdle makes a change as soon as no process is at work: a run goes by one configuration.
func (w *world) whileIdle(d *domain, change func(*domain)) {
	switch {
	case w.calm() || d.rolledBack || d.released:
	case w.working():
		w.after(10*time.Minute, func() { w.whileIdle(d, change) })
	default:
		change(d)
	}
}

// working reports whether a process is in the middle of something.
func (w *world) working() bool {
	return w.anyActing() ||
		slices.ContainsFunc(append(w.processes, w.person), func(p *process) bool { return p.busy })
}

// reconfigure has every process take over the configuration, as a reload does.
func (w *world) reconfigure(d *domain, format string, args ...any) {
	w.log(d.name, "the operator changes the configuration: "+format, args...)
	d.reconfigured, d.changed = true, true
	for _, p := range append(w.processes, w.person) {
		if p.alive {
			p.equip()
		}
	}
	w.wakeAll()
}

// follow takes note that dkimbot has taken over the configuration of a domain: from now on mail is promised the drain
// that it names.
func (w *world) follow(d *domain, st rotate.State) {
	if !w.plays(changes) {
		return
	}
	if d.queue = d.want.Policy.Drain; w.open(d) { // for keys that are not dkimbot's yet it promises nothing more
		d.queue = min(d.queue, w.sc.Queue)
	}
	w.keepNewest(d, st.Revision)
}

// keepNewest takes note that the database is not put back to a backup from before the domain's state of this
// revision; see the assumptions in doc.go.
func (w *world) keepNewest(d *domain, revision int64) { d.ordered, d.orderedAt = true, revision }

// queued returns how long mail of the domain may be under way that is signed now.
func (w *world) queued(d *domain) time.Duration {
	if d.queue > 0 {
		return d.queue
	}
	return w.sc.Queue
}

// changeWaits makes one of the waits longer, or short again.
func (w *world) changeWaits(d *domain) {
	p := &d.want.Policy
	switch w.faults.IntN(3) {
	case 0:
		w.promised(d)
		p.Drain = []time.Duration{7 * day, 10 * day, 14 * day}[w.faults.IntN(3)]
		d.queue = min(w.queued(d), p.Drain)
	case 1:
		p.Settle = []time.Duration{7 * day, 10 * day, 14 * day}[w.faults.IntN(3)]
	case 2:
		p.TTL = []time.Duration{time.Minute, time.Hour, 6 * time.Hour, day}[w.faults.IntN(4)]
	}
	w.reconfigure(d, "drain %s, settle %s, TTL %s", days(p.Drain), days(p.Settle), p.TTL)
}

// promised takes note of what mail of the domain was promised until now.
func (w *world) promised(d *domain) {
	for _, name := range w.hostNames {
		if h := w.hosts[name]; h.given[d.name] {
			h.lastWords(d.name)
		}
	}
}

// changeKind changes which kind of keys is made. Every other time the standby's key is replaced at once, so that
// the next rotation leads to one of the new kind.
func (w *world) changeKind(d *domain) {
	d.want.Policy.Key = map[dkim.Algorithm]dkim.Algorithm{dkim.Ed25519: dkim.RSA2048,
		dkim.RSA2048: dkim.Ed25519}[d.want.Policy.Key]
	w.reconfigure(d, "key: %s", d.want.Policy.Key)
	if w.faults.IntN(2) == 0 {
		w.after(spread(w.faults, time.Minute, 10*day), func() { w.order(d, rotate.Renew{}) })
	}
}

// checkKind holds a key that is stored to the kind that the policy asks for: all keys are of it after two rotations.
func (p *process) checkKind(name dkim.Name, keyID string) {
	d := p.domain(name.Domain)
	if !p.plays(changes) || p.halted || p.oneKind(d) || d.intent != nil && d.intent.Kind == rotate.Adopt {
		return
	}
	if want := d.want.Policy.Key; p.keys.kind(keyID) != want {
		p.violate("I7", d.name, "%s: a key of another kind than %s is made at %s", p.name, want, name)
	}
}

// oneKind reports whether a signer of the domain signs with one algorithm, whatever the key is.
func (w *world) oneKind(d *domain) bool {
	return slices.ContainsFunc(d.want.Signers, func(name string) bool { return w.hosts[name].oneKind })
}

// checkMixed: a host that signs with one algorithm turns mail away with a key of another (I1). Mail of one that came
// back from a backup with a key that is gone is lost anyway.
func (w *world) checkMixed(h *host, before, ref dkim.Ref) {
	if !h.oneKind || h.excused[ref.Domain] || before.KeyID == "" || w.halted {
		return
	}
	if w.keys.kind(before.KeyID) != w.keys.kind(ref.KeyID) {
		w.violate("I1", ref.Domain, "%s signs with one algorithm, and comes from %s to %s, which is of another kind: "+
			"it turns mail away", h.name, w.keys.label(before.KeyID), w.keys.label(ref.KeyID))
	}
}

// putOnHold puts a domain on hold for some weeks.
func (w *world) putOnHold(d *domain) {
	if w.order(d, rotate.Hold{}) {
		w.after(spread(w.faults, time.Hour, 60*day), func() { w.insist(d, rotate.Unhold{}, 24) })
	}
}

// checkHold: a domain on hold begins no switch, unless its signers flee (I7: what a person decided is kept).
func (p *process) checkHold(d *domain) {
	if p.plays(changes) && d.onHold && !p.flees(d) {
		p.violate("I7", d.name, "%s: it begins to switch while it is on hold", p.name)
	}
}

// copyKeystore moves the keys that the states name to another keystore, under their numbers, while nothing runs.
func (w *world) copyKeystore() {
	v := w.vault
	if v.right != nil || w.pending > 0 || !v.up(w.now) || w.store.lost != nil || w.store.rolled > 0 || w.working() {
		if !w.calm() {
			w.after(day, w.copyKeystore)
		}
		return
	}
	copied := map[dkim.Name]*slot{}
	for _, d := range w.domains {
		st, err := w.store.load(d.name)
		if err != nil || d.rolledBack {
			return
		}
		for selector, sel := range st.Selectors {
			name := nameOf(d.name, selector)
			copied[name] = v.slot(name).withOnly(sel.Key, sel.Next)
		}
		w.keepNewest(d, st.Revision)
	}
	v.slots, v.backups, v.swapped = copied, nil, w.now
	w.log("", "all keys are copied to another keystore, which takes the place of this one")
	w.wakeAll()
}

// withOnly returns the slot with these keys alone. Numbers before them are of keys that were destroyed.
func (s *slot) withOnly(keys ...*rotate.Key) *slot {
	to := &slot{put: s.put}
	for _, k := range keys {
		if k == nil || k.Gone || k.Version < 1 || k.Version > len(s.versions) || s.versions[k.Version-1].key.ID() != k.ID {
			continue
		}
		for len(to.versions) < k.Version {
			to.versions = append(to.versions, secret{})
		}
		to.versions[k.Version-1] = s.versions[k.Version-1]
	}
	return to
}
