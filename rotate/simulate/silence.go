package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Name servers that do not answer dkimbot are modelled here: a path or a filter stands
// between, also to their primary, and the rest of the world goes on to ask them and finds what
// they had before. A signer that joins others and one that flees do not wait for them; everybody
// else does. Signers whose key was revoked come to another one as soon as one server shows it.

// silence lets a name server answer dkimbot no more, for up to many days.
func (w *world) silence() {
	i := w.faults.IntN(len(w.servers))
	until := w.now.Add(spread(w.faults, time.Minute, 12*day))
	if until.After(w.quiet) {
		until = w.quiet
	}
	if until.After(w.silent[i]) {
		w.silent[i] = until
		w.log("", "%s does not answer dkimbot until %s", w.servers[i].name, stamp(until))
	}
}

// reaches returns when a change that is due at a server comes there.
func (w *world) reaches(server int, due time.Time) time.Time {
	if until := w.silent[server]; until.After(due) {
		return until
	}
	return due
}

// answers reports whether a name server answers dkimbot.
func (w *world) answers(server int, at time.Time) bool {
	return w.servers[server].up(at) && !at.Before(w.silent[server])
}

// showAlone reports whether the provider has a key at the name and nothing else, and every
// server, or every one that answers dkimbot, shows just that, be it from before a change of
// other people's that never reached it.
func (w *world) showAlone(n *zoneName, keyID string, heard bool) bool {
	is := func(values []string) bool { return len(values) == 1 && w.keys.of(values[0]) == keyID }
	for i := range w.servers {
		if !is(n.shown(i, w.now).values) && !(heard && !w.answers(i, w.now)) {
			return false
		}
	}
	return is(n.last().values)
}

// unheard notes that a host may be given a key though some servers do not say that they
// show it: its mail is lost as it is while another signs with the key, or it flees. Who asks
// those servers may not verify its mail until they show the record. One that signs with
// nothing, or with what no resolver holds any more, does not wait for resolvers either; and for one that signs with
// nothing a server is enough, whatever the others show.
func (w *world) unheard(h *host, ref dkim.Ref) {
	n, rescue := w.names[ref.Name], w.rescues(ref)
	_, used := w.lastHeld[ref.KeyID]
	spent := w.spent(h.loaded[ref.Domain])
	lost := w.lost(h, ref.Domain)
	vacant := lost && w.vacant(n) // receivers hold nothing there but that a reported key is revoked
	joins := lost && (used ||
		slices.ContainsFunc(w.hostNames, func(name string) bool { return w.hosts[name].loaded[ref.Domain] == ref }))
	_, signs := h.loaded[ref.Domain]
	bare := joins && !signs
	if n == nil || len(n.changes) == 0 || !joins && !spent && !vacant && !w.fleeing(ref) ||
		!w.showAlone(n, ref.KeyID, true) && !rescue && !(bare && w.somewhere(n, ref.KeyID)) {
		return
	}
	if bare {
		h.blind[ref.Domain] = true
	}
	since, at := n.standing()
	if w.showAlone(n, ref.KeyID, false) && !rescue && !spent && !vacant && !(since.held && w.fleeing(ref)) {
		return // nor did the flight's wait begin while a server did not answer, which shows the record by now
	}
	cached, _, _ := n.forgotten(w, at, ref.KeyID)
	if since.everywhere().After(cached) {
		cached = since.everywhere()
	}
	w.unshown[ref.KeyID] = cached
}

// rescues reports whether signers may leave a key for ref's without a wait: it was revoked, or no server showed it when
// it was looked at, so that all their mail fails, and a server shows ref's. Where a fresh key has taken the place of
// the revoked one, signers still have that.
func (w *world) rescues(ref dkim.Ref) bool {
	n := w.names[ref.Name]
	for _, l := range w.leaks {
		left := w.names[l.ref.Name]
		if l.ref.Domain != ref.Domain || !l.used || left == nil {
			continue
		}
		revoked := slices.ContainsFunc(left.last().values, w.keys.revoked) || w.noneShowed(left, w.now.Add(-lastLook))
		replaced := n == left && w.used(l.ref) && w.showAlone(n, ref.KeyID, true)
		if n == left && !replaced || n != left && !revoked {
			continue
		}
		if w.somewhere(n, ref.KeyID) {
			return true
		}
	}
	return false
}

// vacant reports whether a reported key stood at the name, and no signer ever used it.
func (w *world) vacant(n *zoneName) bool {
	for _, l := range w.leaks {
		if !l.used && w.names[l.ref.Name] == n {
			return true
		}
	}
	return false
}

// somewhere reports whether a server shows a key at a name.
func (w *world) somewhere(n *zoneName, keyID string) bool {
	for i := range w.servers {
		if n != nil && slices.ContainsFunc(n.shown(i, w.now).values, func(v string) bool { return w.keys.of(v) == keyID }) {
			return true
		}
	}
	return false
}

// spent reports whether a key that is signed with verifies nowhere any more: no server shows it, and none has for so
// long that each resolver has forgotten it.
func (w *world) spent(ref dkim.Ref) bool {
	n := w.names[ref.Name]
	if n == nil {
		return false
	}
	for server := range w.servers {
		shownUntil := w.now
		for i := len(n.changes) - 1; i >= 0; i-- {
			c := n.changes[i]
			if c.visible[server].After(shownUntil) {
				continue // it was overtaken
			}
			is := func(v string) bool { return w.keys.of(v) == ref.KeyID }
			if slices.ContainsFunc(c.values, is) && w.now.Before(shownUntil.Add(c.ttl)) {
				return false
			}
			shownUntil = c.visible[server]
		}
	}
	return true
}

// noneShowed reports whether no server showed a record at a name then.
func (w *world) noneShowed(n *zoneName, then time.Time) bool {
	for i := range w.servers {
		if len(n.shown(i, then).values) > 0 {
			return false
		}
	}
	return true
}

// lost reports whether a host signs with nothing, or with a key that no server which answers shows.
func (w *world) lost(h *host, domain string) bool {
	ref, signs := h.loaded[domain]
	n := w.names[ref.Name]
	if !signs || n == nil {
		return !signs
	}
	is := func(v string) bool { return w.keys.of(v) == ref.KeyID }
	for i := range w.servers {
		if w.answers(i, w.now) && slices.ContainsFunc(n.shown(i, w.now).values, is) {
			return false
		}
	}
	return true
}
