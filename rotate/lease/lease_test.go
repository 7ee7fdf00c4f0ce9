package lease

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestWatch: time in which the watcher was stopped itself does not count, since the
// owner may have been stopped with it; nor does time before a renewal (I8).
func TestWatch(t *testing.T) {
	l := ports.Lease{Domain: "example.com", Owner: "a", Fence: 1, TTL: ports.LeaseLength}
	w := watch{asleep: 5 * time.Second}
	w.see(l, 0, ports.LeaseLength)
	w.see(l, 5*time.Second, ports.LeaseLength)
	if w.quiet != 5*time.Second || w.moved {
		t.Errorf("after five seconds: %+v", w)
	}
	w.see(l, time.Hour, ports.LeaseLength)
	if w.quiet != 15*time.Second {
		t.Errorf("an hour of not being awake counts as %s", w.quiet-5*time.Second)
	}
	l.Renewals++
	w.see(l, time.Hour+5*time.Second, ports.LeaseLength)
	if w.quiet != 0 || !w.moved {
		t.Errorf("after a renewal: %+v", w)
	}
}
