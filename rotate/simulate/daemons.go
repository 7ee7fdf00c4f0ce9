package simulate

// relapse restarts the host's daemon on old tables, as when its service unit names a copy of
// them: the files that dkimbot wrote stay, and the daemon, when it is asked, says what it
// really signs with.
func (h *host) relapse() {
	w := h.world
	if len(h.strays) > 0 || len(h.backups) == 0 {
		return // dkimbot can't know of a signer that strays and is brought back unseen
	}
	old := h.backups[w.faults.IntN(len(h.backups))]
	w.log("", "the daemon on %s is restarted on old tables", h.name)
	h.restored = w.now
	for _, d := range w.domains {
		ref, ok := old.table[d.name]
		if _, away := h.disk.own[d.name]; !ok || away || !h.given[d.name] || h.disk.files[ref] == "" ||
			ref == h.loaded[d.name] {
			continue
		}
		h.lastWords(d.name)
		delete(h.coming, d.name)
		delete(h.leaving, d.name)
		h.excused[d.name] = w.gone(ref)
		h.load(ref, false)
		h.strays[d.name], h.unread[d.name] = true, true
	}
}
