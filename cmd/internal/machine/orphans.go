package machine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Orphans ends the programs of processes whose leases were taken over. They can be found when the
// process ran beside this one: on this host, since the same boot, in the same namespaces.
type Orphans struct {
	self Process
	log  *slog.Logger

	mu   sync.Mutex
	over map[string]bool // owners that start no programs any more, or have one that was waited for in vain
}

// NewOrphans returns what ends the programs of processes that ran beside self; what it finds is logged.
func NewOrphans(self Process, log *slog.Logger) *Orphans {
	return &Orphans{self: self, log: log, over: map[string]bool{}}
}

// End returns when the owner's programs can act no more; domains of one owner wait for each other.
func (h *Orphans) End(ctx context.Context, owner string) ports.Orphans {
	h.mu.Lock()
	defer h.mu.Unlock()
	o, ok := h.self.beside(owner)
	if !ok || h.over[owner] {
		return ports.Orphans{}
	}
	dead := h.self.KnowsDead(owner) // before it is looked for them: it starts none after that
	waiting := func(reloads int, most time.Duration) {
		h.log.Warn("waiting for reloads of signers that a process had begun which ended in the middle of its work",
			"owner", owner, "reloads", reloads, "at most", most.String())
	}
	found := ports.Orphans(child.EndOrphans(ctx, o.pid, o.start, waiting))
	h.over[owner] = dead || found.Left+found.Hanging > 0 // a reload that hangs is waited for once, and not for each domain
	if text := found.String(); text != "" {
		h.log.Warn("took over from a process that ended in the middle of its work", "owner", owner, "found", text)
	}
	return found
}
