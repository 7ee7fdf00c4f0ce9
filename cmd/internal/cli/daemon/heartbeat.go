package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/dkimbot/dkimbot/rotate/ports"
)

// heartbeat watches a scheduler ask for what is due. It does so twice a minute at
// least; one that hangs, or whose state can't be read, ceases to.
type heartbeat struct {
	ports.WorkQueue
	began time.Time
	last  atomic.Int64 // when it was answered last, in Unix seconds
}

// alive is how long after its last answer a scheduler is taken to live.
const alive = 2 * time.Minute

func (h *heartbeat) Due(ctx context.Context, now time.Time) ([]string, error) {
	due, err := h.WorkQueue.Due(ctx, now)
	if err == nil {
		h.last.Store(time.Now().Unix())
	}
	return due, err
}

// lives reports whether it beats, or has not had the time to yet.
func (h *heartbeat) lives() bool { return h.beats() || time.Since(h.began) < alive }

func (h *heartbeat) beats() bool { return time.Since(time.Unix(h.last.Load(), 0)) < alive }
