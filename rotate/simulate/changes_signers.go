package simulate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// Signers are renamed, added and removed here.

// renameSigner gives one of the domain's signers another name, and says which it had.
func (w *world) renameSigner(d *domain) {
	i := w.faults.IntN(len(d.want.Signers))
	was := d.want.Signers[i]
	h := w.hosts[was]
	if w.twice(h) {
		return
	}
	for n := 2; ; n++ {
		name := fmt.Sprintf("%s-%d", h.name, n)
		if w.hosts[name] != nil {
			continue
		}
		w.hosts[name], w.former[was] = h, true
		for _, d := range w.domains {
			w.callSigner(d, was, name)
		}
		return
	}
}

// callSigner writes a signer's new name at a domain, which may know it though it is not listed there any more.
func (w *world) callSigner(d *domain, was, name string) {
	if i := slices.Index(d.want.Signers, was); i >= 0 {
		d.want.Signers = slices.Clone(d.want.Signers)
		d.want.Signers[i] = name
	}
	d.want.Renamed = maps.Clone(d.want.Renamed)
	if d.want.Renamed == nil {
		d.want.Renamed = map[string]string{}
	}
	delete(d.want.Renamed, was)
	d.want.Renamed[name] = was
	w.reconfigure(d, "signer %s is called %s now", was, name)
}

// twice reports whether the configuration has the host by two names.
func (w *world) twice(h *host) bool { return w.hosts[twinName] == h }

// addOrRemoveSigner lists a host that does not sign for the domain yet, or takes one out.
func (w *world) addOrRemoveSigner(d *domain) {
	if w.plays(agentsClass) {
		return
	}
	for _, name := range w.hostNames {
		if h := w.hosts[name]; !w.twice(h) && !w.signsFor(h, d) && w.faults.IntN(2) == 0 {
			w.addSigner(d, h)
			return
		}
	}
	if name := d.want.Signers[w.faults.IntN(len(d.want.Signers))]; len(d.want.Signers) > 1 && !w.twice(w.hosts[name]) {
		w.removeSigner(d, w.hosts[name])
	}
}

// signsFor reports whether the configuration has the host at the domain.
func (w *world) signsFor(h *host, d *domain) bool {
	return slices.ContainsFunc(d.want.Signers, func(name string) bool { return w.hosts[name] == h })
}

// addSigner lists a host at the domain. Mail is sent through it from when it signs.
func (w *world) addSigner(d *domain, h *host) {
	if !h.lingers[d.name] { // it signs with what it has until it is given something else
		h.decommission(d.name)
	}
	h.lingers[d.name], h.idle[d.name], h.out[d.name] = false, false, false
	name := h.name
	for n := range w.hosts {
		if w.hosts[n] == h && !w.former[n] {
			name = n
		}
	}
	d.want.Signers = append(slices.Clone(d.want.Signers), name)
	w.reconfigure(d, "signer %s is added", name)
}

// removeSigner has no more mail sent through a host, and some time later takes it out of the list.
func (w *world) removeSigner(d *domain, h *host) {
	if h.idle[d.name] || h.strays[d.name] {
		return // dkimbot can't know of one that strays and leaves unseen
	}
	if w.plays(leavers) {
		w.linger(d, h)
		return
	}
	h.lastWords(d.name)
	h.idle[d.name] = true
	w.log(d.name, "no mail is sent through %s any more", h.name)
	w.after(spread(w.faults, time.Minute, 3*day), func() { w.whileIdle(d, func(d *domain) { w.unlist(d, h) }) })
}

// linger takes a host off the domain's list that continues to sign. Some time later a person has it cease, as dkimbot
// asks for, if it was not listed again meanwhile.
func (w *world) linger(d *domain, h *host) {
	i := slices.IndexFunc(d.want.Signers, func(name string) bool { return w.hosts[name] == h })
	if !h.given[d.name] || d.phase == rotate.New {
		return
	}
	name := d.want.Signers[i]
	d.want.Signers = slices.Delete(slices.Clone(d.want.Signers), i, i+1)
	h.lingers[d.name] = true
	w.reconfigure(d, "signer %s is removed, and continues to sign", name)
	until := w.now.Add(spread(w.faults, time.Hour, 60*day))
	if until.After(w.quiet) {
		until = w.quiet
	}
	w.at(until, func() {
		if !h.lingers[d.name] {
			return
		}
		h.lastWords(d.name)
		h.lingers[d.name], h.idle[d.name], h.out[d.name] = false, true, true
		h.decommission(d.name)
		w.log(d.name, "%s ceases to sign", h.name)
	})
}

// unlist takes a host out of the domain's signers.
func (w *world) unlist(d *domain, h *host) {
	i := slices.IndexFunc(d.want.Signers, func(name string) bool { return w.hosts[name] == h })
	if i < 0 || len(d.want.Signers) == 1 {
		h.idle[d.name] = false
		return
	}
	name := d.want.Signers[i]
	d.want.Signers = slices.Delete(slices.Clone(d.want.Signers), i, i+1)
	h.decommission(d.name)
	h.out[d.name] = true
	w.reconfigure(d, "signer %s is removed", name)
}

// cleansed has a person take away, some time later and as dkimbot asks for, what a backup brought back on a host that
// is not in the domain's list any more.
func (w *world) cleansed(h *host, d *domain) {
	at := w.now.Add(spread(w.faults, time.Hour, 20*day))
	if at.After(w.quiet) {
		at = w.quiet
	}
	w.at(at, func() {
		if h.out[d.name] {
			h.decommission(d.name)
		}
	})
}

// decommission takes away what the host has for a domain.
func (h *host) decommission(domain string) {
	for _, m := range []map[string]bool{h.given, h.excused, h.strays, h.unread, h.blind, h.rescued} {
		delete(m, domain)
	}
	delete(h.loaded, domain)
	delete(h.since, domain)
	delete(h.coming, domain)
	delete(h.leaving, domain)
	delete(h.disk.table, domain)
	delete(h.disk.own, domain)
	h.heeded[domain] = h.orders + 1 // what comes late finds nobody
}
