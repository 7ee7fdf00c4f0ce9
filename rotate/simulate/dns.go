package simulate

import (
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// zoneName is a selector's name in DNS: what stood there, and since when each of
// the name servers has shown it.
type zoneName struct {
	name    dkim.Name
	text    string   // the name, spelt out
	changes []change // oldest first
	foreign bool     // what stands there is not dkimbot's
	owner   string   // where it leads by CNAME; "": nowhere

	ours      string          // what dkimbot put there last
	made      map[string]bool // all that it put there
	stranger  string          // what somebody else put there, "" for nothing
	disturbed time.Time       // when somebody else last changed it
	repaired  time.Time       // and when the record that dkimbot put there showed everywhere again, alone
	touched   time.Time       // when it was last changed by somebody else
	looked    time.Time       // when dkimbot last saw what stands there
	orders    int             // to change it
	heeded    int             // the newest order that was carried out
}

func newZoneName(name dkim.Name) *zoneName { return &zoneName{name: name, text: name.String()} }

type change struct {
	at      time.Time
	values  []string
	wild    []string // what a wildcard shows instead, where there are none
	ttl     time.Duration
	visible []time.Time // by server
	others  bool        // somebody else made it
	seen    bool        // and dkimbot saw that
	seenAt  time.Time   // first
	led     *detour     // it is a CNAME, which leads there
	held    bool        // a server to which it was due did not answer then
}

// last returns what stands at the name, as the primary has it.
func (n *zoneName) last() change {
	if len(n.changes) == 0 {
		return change{}
	}
	return n.changes[len(n.changes)-1]
}

// shown returns what one server shows.
func (n *zoneName) shown(server int, now time.Time) change {
	for i := len(n.changes) - 1; i >= 0; i-- {
		if !n.changes[i].visible[server].After(now) {
			return n.changes[i]
		}
	}
	return change{}
}

// standing returns the change that brought what stands at the name now, and its
// place. A change of the TTL alone brings nothing.
func (n *zoneName) standing() (since change, at int) {
	for i := len(n.changes) - 1; i >= 0; i-- {
		if i == 0 || !slices.Equal(n.changes[i-1].values, n.changes[i].values) {
			return n.changes[i], i
		}
	}
	return change{}, 0
}

// everywhere returns when the last change had reached all servers.
func (c change) everywhere() time.Time {
	var last time.Time
	for _, t := range c.visible {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// lastShown returns when the last server ceased to show what was there before the change. One that is out of order
// shows nothing to anybody, and one to which both came at once never showed it.
func (w *world) lastShown(before, c change) (last time.Time) {
	for i, t := range c.visible {
		if before.visible != nil && !before.visible[i].Before(t) {
			continue
		}
		if s := w.servers[i]; t.After(s.since) && t.Before(s.down) {
			t = s.since
		}
		if t.After(last) {
			last = t
		}
	}
	return last
}

// change puts values at the name, which each server shows after a lag of its own,
// one change after the other.
func (w *world) change(n *zoneName, values []string, ttl time.Duration) {
	before := n.last()
	c := w.covers(n, change{at: w.now, values: values, ttl: ttl, visible: make([]time.Time, len(w.servers))})
	slowest := 0
	for i := range c.visible {
		due := w.now.Add(w.lag())
		c.visible[i] = w.reaches(i, due)
		c.held = c.held || c.visible[i].After(due)
		if before.visible != nil && before.visible[i].After(c.visible[i]) {
			c.visible[i] = before.visible[i]
		}
		if c.visible[i].After(c.visible[slowest]) {
			slowest = i
		}
	}
	const remembered = 12
	if len(n.changes) == remembered {
		n.changes = slices.Delete(n.changes, 0, 1)
	}
	n.changes = append(n.changes, c)
	w.followed(n)
	w.lookJustBefore(n, slowest, c.visible[slowest])
}

// setTXT is the provider's work: it makes value the only one at its name.
func (w *world) setTXT(owner string, value string, ttl time.Duration) {
	n := w.owners[owner]
	if n == nil {
		w.violate("I6", "", "a record is published at %s, which no domain owns", owner)
		return
	}
	if last := n.last(); len(last.values) == 1 && last.values[0] == value && last.ttl == ttl {
		n.publishes(value)
		return
	}
	w.put(n, []string{value}, ttl)
	w.log(n.name.Domain, "%s at the provider is now %s", n.name, w.keys.label(w.keys.of(value)))
}

// put is a change that dkimbot makes.
func (w *world) put(n *zoneName, values []string, ttl time.Duration) {
	w.checkRecords(n, values)
	w.change(n, values, ttl)
	if len(values) == 1 {
		n.publishes(values[0])
	}
}

// look answers as the name servers do.
func (w *world) look(name dkim.Name) (rotate.Sight, error) {
	n := w.names[name]
	if sight, err, led := w.aside(n); led {
		return sight, err
	}
	sight := rotate.Sight{Zone: name.Domain, Owner: n.ownerName(), Negative: w.sc.negative, Complete: true}
	var first []string
	answered, contrary, shown := false, false, map[string][]string{}
	for i, server := range w.servers {
		if !w.answers(i, w.now) {
			sight.Complete = false
			sight.Lagging = append(sight.Lagging, server.name+" does not answer")
			continue
		}
		c := n.shown(i, w.now)
		shown[server.name] = c.values
		if answered && !slices.Equal(first, c.values) {
			sight.Complete, contrary = false, true
			sight.Lagging = append(sight.Lagging, server.name+" shows something else")
		}
		if !answered {
			first, answered = c.values, true
		}
		sight.TTL = max(sight.TTL, c.ttl)
		for _, v := range c.wild {
			if !slices.Contains(sight.Wildcard, v) {
				sight.Wildcard = append(sight.Wildcard, v)
			}
		}
		for _, v := range c.values {
			if !slices.Contains(sight.Values, v) {
				sight.Values = append(sight.Values, v)
			}
		}
	}
	if !answered {
		return rotate.Sight{}, unable(fmt.Sprintf("look up %s", name), "no name server answers")
	}
	if sight.Silent = w.plays(silent) && !sight.Complete && !contrary; !sight.Complete {
		sight.Shown = shown // as a real look says it: what one server lacks may have to be published again
	}
	slices.Sort(sight.Values)
	return sight, nil
}

// publishes takes note of a record that dkimbot put at the name.
func (n *zoneName) publishes(value string) {
	if n.made == nil {
		n.made = map[string]bool{}
	}
	n.ours, n.made[value] = value, true
	n.restored()
}
