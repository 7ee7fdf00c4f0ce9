package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// A wildcard (*._domainkey) answers at the selectors that have no record of their own, with a
// key, a revoked one, or what is none. Nothing stands there (RFC 4592): a record that is published
// takes its place. Receivers remember what they were shown like any other answer (I2, I6).

type wildcard struct {
	value string
	ttl   time.Duration
}

// growWildcards lets domains have a wildcard from the beginning, or get and lose one.
func (w *world) growWildcards() {
	if !w.plays(wildcards) {
		return
	}
	for _, d := range w.domains {
		if w.faults.IntN(2) == 0 {
			w.toggleWildcard(d)
		}
		w.often(2, func() { w.toggleWildcard(d) })
	}
}

// toggleWildcard lets somebody make or remove the domain's wildcard.
func (w *world) toggleWildcard(d *domain) {
	if _, stands := w.wildcards[d.name]; stands {
		delete(w.wildcards, d.name)
		w.log(d.name, "somebody removes the wildcard at %s", d.name)
	} else {
		key := dkim.NewRecord(w.keys.make().Public(), "")
		value := []string{key.String(), key.Revoke().String(), "v=spf1 -all"}[w.faults.IntN(3)]
		w.wildcards[d.name] = wildcard{value, spread(w.faults, time.Minute, day)}
		w.log(d.name, "somebody makes a wildcard at %s: %q", d.name, value)
	}
	for _, s := range d.want.Policy.Selectors {
		if n := w.names[nameOf(d.name, s)]; n.owner == "" && len(n.last().values) == 0 {
			w.changeByOthers(n, nil)
		}
	}
}

// covers returns a change as it shows where its domain has a wildcard.
func (w *world) covers(n *zoneName, c change) change {
	if wild, stands := w.wildcards[n.name.Domain]; stands && len(c.values) == 0 && n.owner == "" {
		c.wild, c.ttl, c.others = []string{wild.value}, wild.ttl, true
	}
	return c
}

// answer returns what a server answers that shows the change.
func (c change) answer() []string {
	if len(c.values) == 0 {
		return c.wild
	}
	return c.values
}

// showedByWildcard reports whether a wildcard has shown the values at the name, as far as that is remembered.
func (n *zoneName) showedByWildcard(values []string) bool {
	return slices.ContainsFunc(n.changes, func(c change) bool { return len(c.wild) > 0 && slices.Equal(c.wild, values) })
}

// cameUnseen reports whether receivers may remember what a wildcard showed that dkimbot never saw.
func (n *zoneName) cameUnseen(values []string) bool {
	return slices.ContainsFunc(n.changes, func(c change) bool {
		return len(c.wild) > 0 && !c.seen && slices.Equal(c.wild, values)
	})
}
