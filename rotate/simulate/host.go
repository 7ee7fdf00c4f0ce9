package simulate

import (
	"maps"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	agents "github.com/dkimbot/dkimbot/rotate/signer/agent/host"
)

// host is a machine whose signer signs mail: it holds key files and a table on
// disk, and signs with what it loaded from them last.
type host struct {
	part  // reached by dkimbot, or not; it signs on
	world *world
	lag   time.Duration
	mail  part     // takes and signs mail, or not
	agent *agentOn // nil: dkimbot reaches it itself

	disk    disk
	loaded  map[string]dkim.Ref  // by domain: what signs now
	since   map[string]time.Time // by domain: since when
	unread  map[string]bool      // by domain: a reload failed, the table is ahead of what signs
	coming  map[string]coming    // by domain: a reload that was taken and is not in effect yet
	leaving map[string]time.Time // by domain: when it ceases to sign with dkimbot's keys, as a person wants it
	given   map[string]bool      // by domain: it was switched on once
	idle    map[string]bool      // by domain: a person sends no mail of it through the host
	out     map[string]bool      // by domain: the host is not in the configuration any more
	lingers map[string]bool      // by domain: it was taken off the list, and continues to sign
	oneKind bool                 // it signs with one algorithm, whatever the key is
	excused map[string]bool      // by domain: restored from a backup that is older than the promise covers

	// by domain: when it was told what it signs with, DNS did not say what somebody else had changed there
	blind    map[string]bool
	rescued  map[string]bool // by domain: its mail was lost when it was given a key that was in use before
	orders   int
	heeded   map[string]int  // by domain: the newest order that was carried out
	strays   map[string]bool // by domain: restored, and not switched by dkimbot since
	backups  []disk          // oldest first
	restored time.Time
}

// disk is what a backup holds.
type disk struct {
	table map[string]dkim.Ref // by domain
	own   map[string]string   // by domain: somebody moved it to a selector of the host's own; "" for none
	files map[dkim.Ref]string // key file -> id of the key in it
	memo  agents.Memo         // of the host's agent
}

type coming struct {
	ref dkim.Ref
	at  time.Time
}

func (d disk) clone() disk {
	return disk{maps.Clone(d.table), maps.Clone(d.own), maps.Clone(d.files), d.memo}
}

func newHost(w *world, name string, lag time.Duration) *host {
	return &host{world: w, part: part{name: name}, lag: lag, mail: part{name: "mail on " + name},
		disk:   disk{table: map[string]dkim.Ref{}, own: map[string]string{}, files: map[dkim.Ref]string{}},
		loaded: map[string]dkim.Ref{}, since: map[string]time.Time{}, unread: map[string]bool{}, coming: map[string]coming{},
		leaving: map[string]time.Time{}, given: map[string]bool{}, excused: map[string]bool{}, strays: map[string]bool{},
		idle: map[string]bool{}, out: map[string]bool{}, lingers: map[string]bool{},
		heeded: map[string]int{}, blind: map[string]bool{},
		rescued: map[string]bool{}}
}

// active returns what the host says that it signs with: what a reload that was
// taken will put into effect within the lag.
func (h *host) active(domain string) (dkim.Ref, bool) {
	if own, away := h.disk.own[domain]; away {
		return ownRef(domain, own), own != ""
	}
	if h.unread[domain] {
		if c, comes := h.coming[domain]; comes {
			return c.ref, true
		}
		ref, ok := h.loaded[domain]
		return ref, ok
	}
	ref, ok := h.disk.table[domain]
	return ref, ok
}

// order numbers what the host is told to do.
func (h *host) order() int {
	h.orders++
	return h.orders
}

// activate writes the key's file, then the table, then reloads; any of these may
// fail. An order that comes late, after a newer one was carried out, is not heeded.
func (h *host) activate(ref dkim.Ref, order int) error {
	w := h.world
	if order < h.heeded[ref.Domain] {
		return unable("activate "+ref.String()+" on "+h.name, "a newer order was carried out")
	}
	h.heeded[ref.Domain] = order
	w.hurry(ref)
	w.unheard(h, ref)
	_, used := w.lastHeld[ref.KeyID]
	h.rescued[ref.Domain] = (used || w.used(ref)) && w.lost(h, ref.Domain)
	troubled := func() bool { return !w.calm() && w.faults.Float64() < w.rates.fails }
	h.disk.files[ref] = ref.KeyID
	if troubled() {
		return unable("activate "+ref.String()+" on "+h.name, "the disk is full")
	}
	h.disk.table[ref.Domain] = ref
	delete(h.disk.own, ref.Domain)
	if troubled() {
		_, comes := h.coming[ref.Domain] // of a reload before, which is not in effect yet
		h.unread[ref.Domain] = h.loaded[ref.Domain] != ref || comes
		w.log(ref.Domain, "%s: the reload fails", h.name)
		return unable("activate "+ref.String()+" on "+h.name, "the reload failed")
	}
	delete(h.unread, ref.Domain)
	h.reload(ref)
	return nil
}

// reload puts ref into effect at some time within the lag, often at its end.
func (h *host) reload(ref dkim.Ref) {
	w := h.world
	if h.coming[ref.Domain].ref == ref {
		return // it is on its way already
	}
	wait := between(w.faults, 0, h.lag)
	if w.faults.IntN(2) == 0 {
		wait = h.lag
	}
	c := coming{ref, w.now.Add(wait)}
	if wait == 0 {
		h.load(ref, true)
		return
	}
	h.coming[ref.Domain] = c
	w.signsWith(ref)
	w.at(c.at, func() {
		if h.coming[ref.Domain] == c {
			h.load(ref, true)
		}
	})
}

// load makes the host sign with ref from now on.
func (h *host) load(ref dkim.Ref, ordered bool) {
	w := h.world
	delete(h.coming, ref.Domain)
	delete(h.leaving, ref.Domain)
	if h.out[ref.Domain] {
		return
	}
	before := h.loaded[ref.Domain]
	w.checkMixed(h, before, ref)
	if ordered {
		h.lastWords(ref.Domain)
	}
	h.loaded[ref.Domain] = ref
	if before != ref {
		h.since[ref.Domain] = w.now
	}
	h.given[ref.Domain] = true
	if ordered {
		h.excused[ref.Domain] = false
		delete(h.strays, ref.Domain)
	}
	if before == ref {
		return
	}
	w.signsWith(ref)
	w.lastUse[ref.KeyID] = w.now
	if ordered {
		w.checkUse(h, ref)
	}
	w.log(ref.Domain, "%s signs with %s (%s)", h.name, ref.Selector, w.keys.label(ref.KeyID))
	w.sign(h, w.domain(ref.Domain), true)
}

// lastWords signs a last message with what is loaded now, and remembers that it was used.
func (h *host) lastWords(domain string) {
	if ref, ok := h.loaded[domain]; ok {
		h.world.sign(h, h.world.domain(domain), true)
		h.world.held(h, ref)
	}
}

// forget removes the file of a key that is not in use.
func (h *host) forget(ref dkim.Ref) {
	if h.loaded[ref.Domain] == ref || h.disk.table[ref.Domain] == ref {
		return
	}
	delete(h.disk.files, ref)
}

// restart makes the daemon read its table afresh. One that was restarted on old tables reads
// those again: dkimbot can't know of a signer that strays and is brought back unseen.
func (h *host) restart() {
	for _, d := range h.world.domains {
		if h.strays[d.name] {
			continue
		}
		delete(h.unread, d.name)
		if ref, ok := h.disk.table[d.name]; ok {
			h.load(ref, ref != h.loaded[d.name])
		}
	}
}

// backUp keeps copies of the disk that reach back some weeks.
func (h *host) backUp() {
	const kept = 6
	h.backups = append(h.backups, h.disk.clone())
	if len(h.backups) > kept {
		h.backups = h.backups[1:]
	}
	if h.world.rates.backups > 0 {
		h.world.after(between(h.world.faults, 12*time.Hour, 8*day), h.backUp)
	}
}

// restore puts the host back to an old backup.
func (h *host) restore() {
	w := h.world
	if len(h.strays) > 0 {
		return // dkimbot can't know of a signer that strays and is brought back unseen
	}
	for _, d := range w.domains {
		h.lastWords(d.name)
	}
	past := maps.Clone(h.loaded)
	memo := h.disk.memo
	h.disk = h.backups[w.faults.IntN(len(h.backups))].clone()
	if h.agent != nil && w.faults.IntN(2) == 0 {
		h.disk.memo = memo // it lies on another disk
	}
	h.restored = w.now
	w.log("", "%s is restored from an old backup", h.name)
	clear(h.unread)
	clear(h.coming)
	clear(h.leaving)
	for _, d := range w.domains {
		ref, ok := h.disk.table[d.name]
		if _, away := h.disk.own[d.name]; away {
			h.given[d.name] = false
		}
		if h.out[d.name] {
			w.cleansed(h, d)
			continue
		}
		if !ok {
			delete(h.loaded, d.name)
			h.excused[d.name] = true
			continue
		}
		h.excused[d.name] = w.gone(ref)
		h.load(ref, false)
		if ref != past[d.name] {
			h.strays[d.name] = true
		}
	}
}

// gone reports that a key is replaced, or just about to be, or that resolvers may still remember what stood in the
// place of its record before that came back.
func (w *world) gone(ref dkim.Ref) bool {
	n := w.names[ref.Name]
	last := n.last()
	if len(last.values) != 1 || w.keys.of(last.values[0]) != ref.KeyID {
		return true
	}
	_, at := n.standing()
	if resolvers, _, _ := n.forgotten(w, at, ref.KeyID); resolvers.After(w.now) {
		return true
	}
	d := w.domain(ref.Domain)
	return d.acting != nil || (d.phase == "replacing" || d.purging) && d.intent != nil && d.intent.Selector == ref.Selector
}
