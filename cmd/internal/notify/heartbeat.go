package notify

import (
	"context"
	"time"
)

// Heartbeat says what is asked for as long as all is well, so that somebody else
// notices when it is not any more.
type Heartbeat struct {
	URL     func() (string, error) // as a Webhook's
	Method  string                 // "GET", or "POST" with a Document
	Every   time.Duration          // between two heartbeats of Heartbeats
	Timeout time.Duration
}

// Beat sends a heartbeat in the background, unless one is on its way.
func (n *Notifier) Beat() {
	if n.heart == nil {
		return
	}
	n.heart.put(newDocument(heartbeat, n.cfg.By, time.Now()))
}

// Heartbeats sends a heartbeat now and then, whenever alive says so, until ctx is done.
func (n *Notifier) Heartbeats(ctx context.Context, alive func() bool) {
	if n.heart == nil {
		return
	}
	for {
		pause := n.cfg.Heartbeat.Every
		if alive() {
			n.Beat()
		} else {
			pause = min(pause, time.Second)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
