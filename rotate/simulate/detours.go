package simulate

import (
	"errors"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Somebody puts a CNAME in the place of a selector's record for a while: it leads to the name of the domain's other
// selector, or nowhere. DNS takes no record beside it. Mail that is signed with the selector fails meanwhile, which
// can't be avoided; no signer may come to it, and the other selector's record must stay as it is (I2, I3).

// detour is where a change leads a name.
type detour struct {
	to *zoneName // nil: nowhere
}

// leadAside lets somebody lead one of the domain's names elsewhere.
func (w *world) leadAside(d *domain) {
	pair, i := d.want.Policy.Selectors, w.faults.IntN(2)
	n, other := w.names[nameOf(d.name, pair[i])], w.names[nameOf(d.name, pair[1-i])]
	if w.calm() || n.foreign || n.strange() || n.owner != "" || n.led() || other.led() || len(n.last().values) == 0 {
		return
	}
	where, to, was := "nowhere", detour{}, n.last().values
	if len(other.last().values) > 0 && w.faults.IntN(2) == 0 {
		where, to = other.name.String(), detour{other}
	}
	n.disturbed, n.repaired = w.now, time.Time{}
	w.leadTo(n, to)
	w.log(d.name, "somebody leads %s away by a CNAME, to %s", n.name, where)
	at := w.now.Add(spread(w.faults, time.Minute, 20*day))
	if at.After(w.quiet) {
		at = w.quiet
	}
	w.at(at, func() { w.leadBack(d, n, was) })
}

// leadTo changes a name to a CNAME.
func (w *world) leadTo(n *zoneName, to detour) {
	var values []string
	if to.to != nil {
		values = slices.Clone(to.to.last().values)
	}
	w.changeByOthers(n, values)
	last := &n.changes[len(n.changes)-1]
	last.led, last.others = &to, true
}

// leadBack lets somebody remove the CNAME, and put the record there again that stood there, or not.
func (w *world) leadBack(d *domain, n *zoneName, was []string) {
	if w.faults.IntN(2) == 0 || !slices.Contains(d.want.Policy.Selectors[:], n.name.Selector) {
		was = nil
	}
	w.changeByOthers(n, was)
	w.log(d.name, "somebody removes the CNAME at %s, which is now %s", n.name, w.labels(was))
}

// led reports whether the name is a CNAME now, as the primary has it.
func (n *zoneName) led() bool { return n.last().led != nil }

// taken refuses a record beside a CNAME, as name servers do.
func taken(n *zoneName) error {
	if n.led() {
		return unable("publish "+n.text, "a CNAME stands there")
	}
	return nil
}

// followed lets the names that lead to a name show what was changed there.
func (w *world) followed(to *zoneName) {
	if !w.plays(detours) {
		return
	}
	for _, d := range w.domains {
		for _, s := range d.want.Policy.Selectors {
			if n := w.names[nameOf(d.name, s)]; n.led() && n.last().led.to == to {
				w.leadTo(n, *n.last().led)
			}
		}
	}
}

// aside returns what name servers answer that all lead a name elsewhere; false where not all that answer do.
func (w *world) aside(n *zoneName) (sight rotate.Sight, err error, led bool) {
	var to *detour
	all, ttl := true, time.Duration(0)
	for i := range w.servers {
		if !w.answers(i, w.now) {
			all = false
			continue
		}
		c := n.shown(i, w.now)
		if c.led == nil || to != nil && *to != *c.led {
			return sight, nil, false
		}
		to, ttl = c.led, max(ttl, c.ttl)
	}
	switch {
	case to == nil:
		return sight, nil, false
	case to.to != nil:
		sight, err = w.look(to.to.name)
		return sight, err, true
	case all:
		sight = rotate.Sight{Complete: true, TTL: ttl, Negative: w.sc.negative}
	}
	return sight, &fault.Error{Kind: fault.Permanent, Code: codes.CNAMELoop, What: "look up " + n.text,
		Err: errors.New("the CNAMEs go in circles"), Hint: "correct the CNAME records"}, true
}

// showedByDetour reports whether a CNAME has shown the values at the name, as far as that is remembered.
func (n *zoneName) showedByDetour(values []string) bool {
	return slices.ContainsFunc(n.changes, func(c change) bool {
		return c.led != nil && len(c.values) > 0 && slices.Equal(c.values, values)
	})
}
