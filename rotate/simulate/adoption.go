package simulate

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Domains that somebody signed before dkimbot are modelled here: their keys are
// adopted, or they are moved over from selectors that are not dkimbot's.

// use is how a domain signs before dkimbot manages it.
type use struct {
	selectors []string      // what its signers sign with, by turns
	spare     string        // a key is public here, too, that no signer uses; "" for none
	adopted   bool          // the keys are to be adopted; otherwise the domain is moved over
	partly    bool          // its last signer does not sign yet
	testing   bool          // the records say t=y
	ttl       time.Duration // of the records
	order     time.Duration // after the start a person orders the adoption
}

// taking is a domain that signs already, and what became of its keys.
type taking struct {
	use
	keys     map[string]*dkim.PrivateKey // that a person made, by selector
	misled   bool                        // a key is given that is not the one in DNS: nothing may change
	clearing map[string]bool             // selectors whose record a person means to remove
}

// signedBefore lets a domain sign since long before the run begins.
func (w *world) signedBefore(d *domain, u use) {
	d.taking = &taking{use: u, keys: map[string]*dkim.PrivateKey{}, clearing: map[string]bool{}}
	for _, s := range append(slices.Clone(u.selectors), u.spare) {
		if s != "" {
			w.madeByHand(d, nameOf(d.name, s))
		}
	}
	signers := d.want.Signers
	if u.partly && len(signers) > 1 {
		signers = signers[:len(signers)-1]
	}
	for i, name := range signers {
		h, s := w.hosts[name], u.selectors[i%len(u.selectors)]
		ref := dkim.Ref{Name: nameOf(d.name, s), KeyID: d.taking.keys[s].ID()}
		h.disk.files[ref], h.disk.table[d.name] = ref.KeyID, ref
		h.loaded[d.name], h.since[d.name], h.given[d.name] = ref, w.now, true
	}
}

// madeByHand lets a key and its record stand at a name that dkimbot did not make.
func (w *world) madeByHand(d *domain, name dkim.Name) {
	key := w.keys.make()
	d.taking.keys[name.Selector] = key
	n := w.names[name]
	if n == nil {
		n = newZoneName(name)
		w.names[name], w.owners[name.String()] = n, n
	}
	r := dkim.NewRecord(key.Public(), "made by hand")
	if d.taking.testing {
		r.Flags = []string{"y"}
	} else {
		w.keys.seen[key.ID()] = true
	}
	since := w.now.Add(-30 * day)
	n.foreign = true
	n.changes = []change{{at: since, values: []string{r.String()}, ttl: d.taking.ttl,
		visible: slices.Repeat([]time.Time{since}, len(w.servers))}}
}

// takeOver sets what people do with domains that sign already.
func (w *world) takeOver() {
	for _, d := range w.domains {
		switch {
		case d.taking == nil:
		case d.taking.adopted:
			w.after(d.taking.order, func() { w.adoptAtLast(d) })
		default:
			w.after(day, func() { w.clearUp(d) })
		}
	}
}

// open reports whether a key of the domain is yet to be adopted.
func (w *world) open(d *domain) bool {
	if d.taking == nil || !d.taking.adopted {
		return false
	}
	for s := range d.taking.keys {
		if w.names[nameOf(d.name, s)].foreign {
			return true
		}
	}
	return false
}

// adoptAtLast lets a person order the adoption until it is taken, sometimes with a
// key that is the wrong one at first; and perhaps weeks later once more.
func (w *world) adoptAtLast(d *domain) {
	if !w.open(d) {
		return
	}
	if w.faults.IntN(3) == 0 {
		w.mislead(d)
	} else {
		w.adopt(d)
	}
	switch {
	case w.open(d):
		w.after(spread(w.faults, time.Minute, 2*day), func() { w.adoptAtLast(d) })
	case w.faults.IntN(2) == 0:
		w.after(spread(w.faults, time.Minute, 60*day), func() { w.adopt(d) })
	}
}

// adopt lets a person give the keys that are in use, but for those that the person reported as
// compromised since.
func (w *world) adopt(d *domain) {
	if d.taking == nil {
		return
	}
	var a rotate.Adoption
	for _, s := range d.want.Policy.Selectors {
		if key := d.taking.keys[s]; key != nil && w.leaks[key.ID()] == nil {
			a.Keys = append(a.Keys, dkim.SigningKey{Name: nameOf(d.name, s), Key: key})
		}
	}
	if len(a.Keys) > 0 && w.faults.IntN(2) == 0 { // the person says which one is to sign; the other one, perhaps
		a.Active = a.Keys[w.faults.IntN(len(a.Keys))].Selector
	}
	w.giveKeys(d, a)
}

// mislead lets a person give a key that is not the one that DNS shows: a new one,
// or the one of the other selector.
func (w *world) mislead(d *domain) {
	if d.taking == nil {
		return
	}
	keys, at := d.taking.keys, d.taking.selectors[0]
	wrong := keys[d.taking.spare]
	if wrong == nil || w.faults.IntN(2) == 0 {
		wrong = w.keys.make()
	}
	d.taking.misled = true
	w.giveKeys(d, rotate.Adoption{Keys: []dkim.SigningKey{{Name: nameOf(d.name, at), Key: wrong}}, Active: at})
	d.taking.misled = false
}

// giveKeys lets a person order an adoption, when the terminal is free.
func (w *world) giveKeys(d *domain, a rotate.Adoption) {
	p := w.person
	if !w.free(d) || len(a.Keys) == 0 {
		return
	}
	var given []string
	for _, k := range a.Keys {
		given = append(given, fmt.Sprintf("%s (%s)", k.Selector, w.keys.label(k.Key.ID())))
	}
	w.log(d.name, "an operator orders to adopt %s, active %q", strings.Join(given, " and "), a.Active)
	p.spawn()
	set := w.calm() || w.faults.IntN(2) == 0
	want, req := p.wants(d), rotate.Request{Named: true, Ignore: rotate.Ignore{Windows: set, Freezes: set}}
	p.busy, p.began, p.adopting = true, w.now, &a
	p.turns(d.name)
	res := p.engine.Advance(context.Background(), engine.Task{Domain: want, Request: req, Adoption: &a})
	p.note(res)
	p.busy, p.adopting = false, nil
	if res.Err == nil {
		p.settle(want, req)
	}
	p.alive = false
}

// checkMisled holds whatever is done against an adoption that has to be refused: a
// refusal changes nothing (I6), though it may note what was seen in DNS.
func (p *process) checkMisled(e effect) {
	d := p.domain(e.name.Domain)
	if p.adopting != nil && d != nil && d.taking != nil && d.taking.misled && !p.halted && !e.notes {
		p.violate("I6", d.name, "%s: %s, though the key that was given is not the one in DNS", p.name, e.what)
	}
}

// onlyNotes reports whether a state says no more of the domain's keys and signers than the one that
// is stored, but for what was seen of other people's records.
func (p *process) onlyNotes(st rotate.State) bool {
	stored, err := p.store.load(st.Domain)
	same := err == nil && st.Phase == stored.Phase && reflect.DeepEqual(st.Intent, stored.Intent)
	return same && reflect.DeepEqual(unnoted(stored), unnoted(st))
}

// unnoted returns the selectors of a state without what was seen of other people's records.
func unnoted(st rotate.State) map[string]rotate.Selector {
	out := map[string]rotate.Selector{}
	for name, s := range rotate.CopyState(st).Selectors {
		s.Preceded, s.PrecededTTL = false, 0
		for _, key := range []*rotate.Key{s.Key, s.Next} {
			if key != nil {
				key.VerifiedAt, key.CacheWait, key.Replaced = time.Time{}, 0, false
			}
		}
		if s.Key != nil || s.Next != nil || len(s.Tried) > 0 {
			out[name] = *s
		}
	}
	return out
}

// adopted takes note of a key that was adopted, and checks that it is the one that
// DNS shows (I2) and that the keystore holds it (I4).
func (w *world) adopted(d *domain, e rotate.Event) {
	w.report.Adoptions++
	n := w.names[nameOf(d.name, e.Selector)]
	if values := n.last().values; len(values) != 1 || w.keys.of(values[0]) != e.KeyID {
		w.violate("I2", d.name, "%s is adopted at %s, where DNS shows %s", w.keys.label(e.KeyID), n.name, w.labels(values))
	}
	if kept, read := w.vault.holds(n.name, e.KeyID); !kept || !read {
		w.violate("I4", d.name, "%s is adopted at %s, and was not stored and read back", w.keys.label(e.KeyID), n.name)
	}
	n.foreign = false // a person wanted it so
	if w.plays(changes) && !w.open(d) {
		d.queue = d.want.Policy.Drain
	}
	if values := n.last().values; len(values) == 1 {
		n.publishes(values[0])
	}
}

// clearUp lets a person look every few days what the status says of records that
// signers have left, and remove each: as soon as it may go, or some time later, or never.
func (w *world) clearUp(d *domain) {
	st, err := w.store.load(d.name)
	left := st.Leftovers()
	for _, s := range d.taking.selectors {
		until := left[s]
		if until.IsZero() || d.taking.clearing[s] || err != nil || !w.free(d) {
			continue
		}
		d.taking.clearing[s] = true
		n, at := w.names[nameOf(d.name, s)], until.Add(time.Minute)
		switch w.faults.IntN(4) {
		case 0:
			at = at.Add(spread(w.faults, time.Minute, 10*day))
		case 1:
			continue
		}
		w.at(at, func() { w.removeLeft(d, n, 10) })
	}
	if len(d.taking.clearing) < len(d.taking.selectors) {
		w.after(between(w.faults, day, 3*day), func() { w.clearUp(d) })
	}
}

// mayGo returns when the plan of now says that a record may go that is not
// dkimbot's; zero when it does not say so.
func (w *world) mayGo(d *domain, n *zoneName) time.Time {
	p := w.person
	if !w.free(d) {
		return time.Time{}
	}
	p.spawn()
	plan, err := p.survey(p.wants(d), rotate.Request{})
	p.alive = false
	for _, text := range finding.Texts(plan.Warnings) {
		if strings.HasPrefix(text, "remove "+n.name.String()+": ") && err == nil && plan.Stop == nil {
			return w.now
		}
		if rest, told := strings.CutPrefix(text, "any record at "+n.name.String()+" may go after "); told && err == nil && plan.Stop == nil {
			const minutes = "Mon 2006-01-02 15:04"
			until, _ := time.Parse(minutes, rest[:min(len(rest), len(minutes))])
			return until.Add(-w.offset) // by the machine's clock
		}
	}
	return time.Time{}
}

// removeLeft lets a person remove a record that signers have left, after a last look. No
// mail in flight needs it (I2).
func (w *world) removeLeft(d *domain, n *zoneName, tries int) {
	until := w.mayGo(d, n)
	if until.IsZero() || until.After(w.now) {
		if tries > 0 {
			w.after(day, func() { w.removeLeft(d, n, tries-1) })
		}
		return
	}
	if w.plays(movers) && tries > 0 { // it may have to be published again, for a host that comes back from a backup
		w.after(day, func() { w.removeLeft(d, n, tries-1) })
	}
	if len(n.last().values) == 0 {
		return
	}
	w.log(d.name, "a person removes the record at %s", n.name)
	w.report.Cleared++
	for _, v := range n.last().values {
		w.checkReplace(n, w.keys.of(v), w.person.turn, w.now)
	}
	w.change(n, nil, 0)
}

// tested reports whether a provider left the record in test mode beside the one that
// takes its place: to receivers, mail that is signed under t=y is as good as unsigned.
func (w *world) tested(m message, values []string) bool {
	t := w.domain(m.ref.Domain).taking
	return t != nil && t.testing && len(values) > 1 && w.keys.only(values, m.ref.KeyID)
}
