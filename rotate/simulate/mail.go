package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// message is mail that a host has signed.
type message struct {
	ref     dkim.Ref
	host    string
	at      time.Time     // when it was signed
	queue   time.Duration // how long it may be under way
	excused bool
}

// mails lets every host of the domain sign mail for ever.
func (w *world) mails(d *domain) {
	for _, name := range w.hostNames {
		h := w.hosts[name]
		var next func()
		next = func() {
			w.sign(h, d, false)
			w.after(between(w.post, w.sc.mailEvery/2, w.sc.mailEvery*3/2), next)
		}
		w.after(between(w.post, 0, w.sc.mailEvery), next)
	}
}

// sign signs a message with what the host really holds, and sends it on its way
// to some receivers. The last and the first message with a key go to all of them,
// and stay under way as long as mail may.
func (w *world) sign(h *host, d *domain, edge bool) {
	if !h.given[d.name] || h.idle[d.name] || !h.mail.up(w.now) {
		return
	}
	w.report.Mails++
	ref, ok := h.loaded[d.name]
	m := message{ref: ref, host: h.name, at: w.now, excused: h.excused[d.name], queue: w.queued(d) - w.tolerance}
	keyID := h.disk.files[ref]
	if !ok || keyID == "" {
		if !m.excused {
			w.violate("I1", d.name, "%s has no key to sign with at %s: mail goes out unsigned", h.name, ref.Name)
			w.report.Unsigned++
		}
		return
	}
	m.ref.KeyID = keyID
	if edge {
		for _, r := range w.receivers {
			w.deliver(m, r, m.queue-time.Millisecond)
			w.deliver(m, r, spread(w.post, time.Second, m.queue))
		}
		return
	}
	r := w.receivers[w.post.IntN(len(w.receivers))]
	w.deliver(m, r, spread(w.post, time.Second, time.Hour))
	r = w.receivers[w.post.IntN(len(w.receivers))]
	w.deliver(m, r, between(w.post, 0, m.queue))
}

// deliver lets a receiver verify the message some time later.
func (w *world) deliver(m message, r *receiver, delay time.Duration) {
	w.after(delay, func() { w.verify(m, r) })
}

func (w *world) verify(m message, r *receiver) {
	n := w.names[m.ref.Name]
	values, ok := r.look(n)
	if !ok { // a temporary error: the sender tries again (RFC 6376 section 6.1.2)
		if again := w.now.Add(15 * time.Minute); again.Sub(m.at) < m.queue {
			w.at(again, func() { w.verify(m, r) })
		}
		return
	}
	w.report.Verifications++
	if len(values) == 1 && w.keys.of(values[0]) == m.ref.KeyID {
		return
	}
	switch {
	case m.excused, w.unknown(m), w.tested(m, values), w.harmed(n, values), w.passedOn(m, values):
		w.report.Excused++
		return
	case w.forgone(m, r):
		w.report.Forgone++
		return
	}
	w.report.Failures++
	w.violate("I2", m.ref.Domain, "a message that %s signed with %s (%s) on %s does not verify at %s, which finds %s",
		m.host, m.ref.Selector, w.keys.label(m.ref.KeyID), stamp(m.at), r.name, w.labels(values))
}

// span is the time since a host came to sign with a key, of which dkimbot could not know when the key was replaced.
type span struct {
	host string
	from time.Time
}

// unknown reports whether a message was signed while dkimbot could not know that its host uses the key.
func (w *world) unknown(m message) bool {
	return slices.ContainsFunc(w.unknowable[m.ref], func(s span) bool { return s.host == m.host && !m.at.Before(s.from) })
}

// receiver verifies mail. It asks name servers through a resolver that caches, or
// directly, and may keep a key long after that.
type receiver struct {
	world  *world
	name   string
	caches bool          // its resolver keeps answers for their TTL, also negative ones
	keep   time.Duration // how long it keeps a key after it fetched it
	cache  map[*zoneName]*cached
}

type cached struct {
	answer []string
	until  time.Time // in the resolver
	kept   []string
	keptTo time.Time // in the receiver
}

func newReceivers(w *world) []*receiver {
	keep := w.sc.Keep - w.tolerance
	var out []*receiver
	for _, r := range []receiver{
		{name: "a receiver that caches nothing"},
		{name: "a receiver with a caching resolver", caches: true},
		{name: "a receiver that keeps keys for " + days(w.sc.Keep), keep: keep},
		{name: "a receiver that keeps keys for " + days(w.sc.Keep) + " behind a caching resolver", caches: true, keep: keep},
		{name: "a receiver that keeps keys for a while", caches: true, keep: keep / 3},
	} {
		r.world, r.cache = w, map[*zoneName]*cached{}
		out = append(out, &r)
	}
	return out
}

// look returns what the receiver takes to stand at the name; not ok when it can't tell.
func (r *receiver) look(n *zoneName) (values []string, ok bool) {
	return r.lookAt(n, r.world.post.IntN(len(r.world.servers)))
}

// lookAt is look with the name server that is asked first.
func (r *receiver) lookAt(n *zoneName, server int) (values []string, ok bool) {
	now := r.world.now
	c := r.cache[n]
	if c == nil {
		c = &cached{}
		r.cache[n] = c
	}
	if c.kept != nil && now.Before(c.keptTo) {
		return c.kept, true
	}
	if !r.caches || !now.Before(c.until) {
		ttl, ok := r.ask(n, server, c)
		if !ok {
			return nil, false
		}
		c.until = now.Add(ttl)
	}
	c.kept = nil
	if r.keep > 0 && r.world.keys.other(c.answer, "") { // it keeps keys, nothing else that stands beside them
		notAKey := func(v string) bool { return !r.world.keys.other([]string{v}, "") }
		c.kept, c.keptTo = slices.DeleteFunc(slices.Clone(c.answer), notAKey), now.Add(r.keep)
	}
	return c.answer, true
}

// ask asks the name servers in turn.
func (r *receiver) ask(n *zoneName, server int, c *cached) (ttl time.Duration, ok bool) {
	w := r.world
	for i := range w.servers {
		s := (server + i) % len(w.servers)
		if !w.servers[s].up(w.now) {
			continue
		}
		shown := n.shown(s, w.now)
		c.answer = shown.answer()
		ttl = shown.ttl
		if len(c.answer) == 0 {
			ttl = w.sc.negative
		}
		return max(0, ttl-w.tolerance), true
	}
	return 0, false
}

// probes lets receivers look at names for no good reason, also before they are
// published: forged mail is enough.
func (w *world) probes(d *domain) {
	var next func()
	next = func() {
		n := w.names[nameOf(d.name, d.want.Policy.Selectors[w.post.IntN(2)])]
		w.receivers[w.post.IntN(len(w.receivers))].look(n)
		w.after(between(w.post, 0, 2*day), next)
	}
	next()
}

// lookJustBefore lets every receiver look at a name at the worst moment: just before
// the slowest server shows a change, and once more just before a resolver's answer
// from that moment expires.
func (w *world) lookJustBefore(n *zoneName, slowest int, visible time.Time) {
	const just = time.Millisecond
	at := visible.Add(-just)
	if at.Before(w.now) {
		return
	}
	w.at(at, func() {
		for _, r := range w.receivers {
			if r.keep > 0 && r.caches {
				if c := r.cache[n]; c != nil {
					c.kept = nil // what it kept is over just now
				}
			}
			r.lookAt(n, slowest)
		}
		old := n.shown(slowest, w.now)
		if ttl := old.ttl - w.tolerance - 2*just; ttl > 0 {
			w.after(ttl, func() { w.keepAgain(n) })
		}
	})
}

// keepAgain lets receivers whose keeping is over fetch what their resolver still has.
func (w *world) keepAgain(n *zoneName) {
	for _, r := range w.receivers {
		if c := r.cache[n]; c != nil && r.keep > 0 && r.caches && w.now.Before(c.until) {
			c.kept = nil
			r.look(n)
		}
	}
}

// forgotten lets every receiver forget what stood at a name: whoever clears a name
// for dkimbot waits that long.
func (w *world) forgotten(n *zoneName) {
	for _, r := range w.receivers {
		delete(r.cache, n)
	}
}
