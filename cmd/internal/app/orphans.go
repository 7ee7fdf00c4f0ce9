package app

import (
	"context"
	"log/slog"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// orphanage ends the programs of processes whose leases were taken over. They can be found when the
// process ran beside this one: on this host, since the same boot, in the same namespaces.
type orphanage struct {
	self process
	log  *slog.Logger

	mu   sync.Mutex
	over map[string]bool // owners that start no programs any more, or have one that was waited for in vain
}

// end returns when the owner's programs can act no more; domains of one owner wait for each other.
func (h *orphanage) end(ctx context.Context, owner string) ports.Orphans {
	h.mu.Lock()
	defer h.mu.Unlock()
	o, ok := h.self.beside(owner)
	if !ok || h.over[owner] {
		return ports.Orphans{}
	}
	dead := h.self.knowsDead(owner) // before it is looked for them: it starts none after that
	found := ports.Orphans(child.EndOrphans(ctx, o.pid, o.start))
	h.over[owner] = dead || found.Left > 0 // a reload that hangs is waited for once, and not for each domain
	if text := found.String(); text != "" {
		h.log.Warn("took over from a process that ended in the middle of its work", "owner", owner, "found", text)
	}
	return found
}
