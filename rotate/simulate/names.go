package simulate

import (
	"context"
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/state"
)

// Names that are not what they seem are modelled here: a host that the configuration has
// twice, and selectors whose names lead elsewhere.

// twinName is the second name of the first host.
const twinName = "twin"

// nameTwice lists the first host of each domain once more, by another name.
func (w *world) nameTwice() {
	if !w.plays(twins) || w.faults.IntN(2) == 0 {
		return
	}
	w.hosts[twinName] = w.hosts[w.hostNames[0]]
	for _, d := range w.domains {
		d.want.Signers = append(d.want.Signers[:len(d.want.Signers):len(d.want.Signers)], twinName)
	}
}

// leadAway lets the names of a domain's selectors be CNAMEs: each leads to a name of its
// own, or one of them to the name of another domain's selector.
func (w *world) leadAway() {
	if !w.plays(aliases) {
		return
	}
	for i, d := range w.domains {
		if d.taking != nil || w.faults.IntN(3) == 0 {
			continue
		}
		for _, s := range d.want.Policy.Selectors {
			n := w.names[nameOf(d.name, s)]
			n.owner = s + ".keys.example"
			if i > 0 {
				n.owner = d.name + "." + n.owner
			}
			w.owners[n.owner] = n
		}
		if first := w.domains[0]; i > 0 && first.taking == nil && w.faults.IntN(2) == 0 {
			s := d.want.Policy.Selectors[w.faults.IntN(2)]
			w.names[nameOf(d.name, s)] = w.names[nameOf(first.name, s)]
			d.shares, first.shares = true, true
			w.log(d.name, "%s leads to the same name as %s", nameOf(d.name, s), nameOf(first.name, s))
		}
	}
}

// shared reports whether a name of the domain leads to another domain's record.
func (w *world) shared(d *domain) bool { return d.shares }

// sharedName reports whether the selector of another domain leads to the same record.
func (w *world) sharedName(name dkim.Name) bool {
	for other, n := range w.names {
		if other != name && n == w.names[name] {
			return true
		}
	}
	return false
}

// displaced reports whether a selector's name holds the record of another domain, or did so within
// the last days: then no fresh key can come to it, and signers can't leave a key for that one.
func (w *world) displaced(d *domain) bool {
	return slices.ContainsFunc(d.want.Policy.Selectors[:], func(s string) bool {
		name := nameOf(d.name, s)
		last := w.names[name].last()
		return w.sharedName(name) && (w.now.Sub(last.at) < 10*day || slices.ContainsFunc(last.values, func(v string) bool {
			return w.others(d, w.keys.of(v))
		}))
	})
}

// passedOn reports whether the name that a message relies on leads to the record of another
// domain, which came to it after this one was released: I6 says that it stood empty.
func (w *world) passedOn(m message, values []string) bool {
	d := w.domain(m.ref.Domain)
	return d.shares && slices.ContainsFunc(values, func(v string) bool { return w.others(d, w.keys.of(v)) })
}

// others reports whether a key is another domain's.
func (w *world) others(d *domain, keyID string) bool {
	of := w.keys.domains[keyID]
	return of != "" && of != d.name
}

// ownerName returns where the record stands to which the name leads.
func (n *zoneName) ownerName() string {
	if n.owner != "" {
		return n.owner
	}
	return n.text
}

// acts returns the name by which a run knows a record's place: its domain is
// not always the one that the place belongs to.
func (w *world) acts(n *zoneName, by *turn) dkim.Name {
	if by == nil || by.domain == n.name.Domain {
		return n.name
	}
	for name, is := range w.names {
		if is == n && name.Domain == by.domain {
			return name
		}
	}
	return n.name
}

// belongs reports whether a key of another domain is among the records.
func (p *process) belongs(values []string, by *turn) bool {
	for _, v := range values {
		if of := p.keys.domains[p.keys.of(v)]; by != nil && of != "" && of != by.domain {
			return true
		}
	}
	return false
}

// Holder implements ports.NameReader.
func (l ledger) Holder(_ context.Context, owner string) (dkim.Name, error) {
	if err := l.open("find out whose record stands at " + owner); err != nil {
		return dkim.Name{}, err
	}
	return l.store.holder(owner), nil
}

// Kept implements ports.NameReader.
func (l ledger) Kept(_ context.Context, owner string) (dkim.Name, rotate.State, error) {
	if err := l.open("find out whose record stood at " + owner); err != nil {
		return dkim.Name{}, rotate.State{}, err
	}
	own, _ := state.OwnName(owner)
	return state.Keeper([]dkim.Name{l.store.names[owner], own}, func(domain string) (rotate.State, error) {
		return l.store.rows[domain].state, nil
	})
}

// Claim implements ports.Names.
func (l ledger) Claim(_ context.Context, owner string, name dkim.Name) (dkim.Name, error) {
	if err := l.open("claim " + owner + " for " + name.String()); err != nil {
		return dkim.Name{}, err
	}
	if holder := l.store.holder(owner); holder != (dkim.Name{}) && holder != name {
		return holder, nil
	}
	maps.DeleteFunc(l.store.names, func(at string, of dkim.Name) bool { return at == owner || of == name })
	if owner != name.String() {
		l.store.names[owner] = name
	}
	return name, nil
}

// holder returns whose record stands at a place: by an entry, or because it is its own.
func (m *memory) holder(owner string) dkim.Name {
	own, _ := state.OwnName(owner)
	for _, name := range []dkim.Name{m.names[owner], own} {
		if name.Domain != "" && state.Manages(m.rows[name.Domain].state, name.Selector) {
			return name
		}
	}
	return dkim.Name{}
}
