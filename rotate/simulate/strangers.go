package simulate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Other people change what stands at dkimbot's names: a second record beside the one
// that it made, another one in its place, or none. Later somebody removes what is not
// dkimbot's (I6).

// intrude lets somebody change what stands at one of the domain's selectors.
func (w *world) intrude(d *domain) {
	n := w.names[nameOf(d.name, d.want.Policy.Selectors[w.faults.IntN(2)])]
	if n.foreign || n.strange() || n.led() || len(n.last().values) == 0 {
		return
	}
	value := "v=spf1 -all"
	if w.faults.IntN(2) == 0 {
		value = dkim.NewRecord(w.keys.make().Public(), "").String()
	}
	var values []string
	switch w.faults.IntN(3) {
	case 0:
		values = append(slices.Clone(n.last().values), value)
	case 1:
		values = []string{value}
	}
	if values != nil {
		n.stranger, w.strangers[value] = value, true
	}
	n.disturbed, n.repaired = w.now, time.Time{}
	w.changeByOthers(n, values)
	w.log(d.name, "somebody changes %s, which is now %d values: %s", n.name, len(values), w.labels(values))
	if n.stranger != "" {
		at := w.now.Add(spread(w.faults, time.Minute, 20*day))
		if at.After(w.quiet) {
			at = w.quiet
		}
		w.at(at, func() { w.expel(d, n, value) })
	}
}

// expel lets somebody remove what is not dkimbot's.
func (w *world) expel(d *domain, n *zoneName, value string) {
	if !slices.Contains(n.last().values, value) {
		n.stranger = ""
		return // it was overwritten just after it came
	}
	left := slices.DeleteFunc(slices.Clone(n.last().values), func(v string) bool { return v == value })
	n.stranger = ""
	w.changeByOthers(n, left)
	w.log(d.name, "somebody removes what is not dkimbot's at %s, which is now %s", n.name, w.labels(left))
}

// changeByOthers is a change that is not dkimbot's.
func (w *world) changeByOthers(n *zoneName, values []string) {
	ttl := n.last().ttl
	w.change(n, values, ttl)
	n.changes[len(n.changes)-1].others = len(values) != 1 || values[0] != n.ours
	n.touched = w.now
	n.restored()
}

// restored takes note that the record which dkimbot put at the name stands there alone.
func (n *zoneName) restored() {
	if last := n.last(); !n.disturbed.IsZero() && len(last.values) == 1 && last.values[0] == n.ours {
		n.repaired = last.everywhere()
	}
}

// strange reports whether something that is not dkimbot's stands at the name.
func (n *zoneName) strange() bool {
	return n.stranger != "" && slices.Contains(n.last().values, n.stranger)
}

// harmed reports whether receivers may find something else at a name than dkimbot put
// there because of other people's doing.
func (w *world) harmed(n *zoneName, values []string) bool {
	if slices.ContainsFunc(values, func(v string) bool { return w.strangers[v] }) || n.cameUnseen(values) {
		return true
	}
	if n.disturbed.IsZero() {
		return false
	}
	memory := max(w.sc.negative, day)
	if n.showedByWildcard(values) || n.showedByDetour(values) {
		memory = w.sc.Keep + day // the longest that receivers keep such a key
	}
	return n.repaired.IsZero() || w.now.Before(n.repaired.Add(memory))
}

// otherwiseSince reports whether a change that other people made came to a server after since, or is yet to come there.
func (n *zoneName) otherwiseSince(since time.Time) bool {
	return n.touched.After(since) || slices.ContainsFunc(n.changes, func(c change) bool {
		return c.others && slices.ContainsFunc(c.visible, since.Before)
	})
}

// showedAlone reports whether every server showed just that key at the name then.
func (w *world) showedAlone(n *zoneName, keyID string, then time.Time) bool {
	for i := range w.servers {
		if v := n.shown(i, then).values; len(v) != 1 || w.keys.of(v[0]) != keyID {
			return false
		}
	}
	return true
}

// overwritten holds the write of a record against other people's records (I6): what
// a look just before the write could have shown is not touched.
func (p *process) overwritten(n *zoneName, by *turn) bool {
	const window = 5 * time.Minute
	sight, looked := by.sight(n.name)
	if !n.strange() || !looked || slices.Contains(sight.Values, n.stranger) {
		return n.strange()
	}
	for i := range p.servers {
		if at := p.now.Add(-window); p.answers(i, at) && slices.Contains(n.shown(i, at).values, n.stranger) {
			return true
		}
	}
	n.stranger = ""
	p.log(n.name.Domain, "somebody else's record at %s came just before the write", n.name)
	return false
}

// glimpse is a change of other people that a process was the first to see.
type glimpse struct {
	n      *zoneName
	at     time.Time // of the change
	before time.Time // the last look before that
}

// forgets takes note that a process has ended, and what it saw and could not write before its next effect with it.
func (p *process) forgets() {
	for _, g := range slices.Backward(p.glimpses) {
		g.n.looked = g.before
		for i := range g.n.changes {
			if c := &g.n.changes[i]; c.at.Equal(g.at) {
				c.seen = false
			}
		}
	}
	p.glimpses = nil
}

// keeps takes note that what the process saw at a domain's names is written, or should have been.
func (p *process) keeps(domain string) {
	p.glimpses = slices.DeleteFunc(p.glimpses, func(g glimpse) bool { return g.n.name.Domain == domain })
}

// unsee takes back that dkimbot saw changes of other people at a domain's names since then.
func (w *world) unsee(d *domain, since time.Time) {
	for _, n := range w.names {
		for i := range n.changes {
			if c := &n.changes[i]; n.name.Domain == d.name && c.seen && c.seenAt.After(since) {
				c.seen = false
			}
		}
	}
}

// noteSeen remembers when dkimbot saw what stands at the name, and which changes of other
// people it has seen.
func (p *process) noteSeen(n *zoneName, sight rotate.Sight) {
	if p.turn.dry {
		return // a plan writes nothing down
	}
	before := n.looked
	if n.looked = p.now; p.store.lost != nil {
		return // it can't be written
	}
	for i := range n.changes {
		if c := &n.changes[i]; c.others && !c.seen && slices.Equal(slices.Sorted(slices.Values(c.values)), sight.Values) &&
			!slices.ContainsFunc(c.wild, func(v string) bool { return !slices.Contains(sight.Wildcard, v) }) {
			c.seen, c.seenAt = true, p.now
			p.glimpses = append(p.glimpses, glimpse{n, c.at, before})
		}
	}
}
