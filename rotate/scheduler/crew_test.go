package scheduler

import (
	"context"
	"sync/atomic"
	"testing"
)

// TestCrewIsLimited: of much work only so many pieces are begun at a time, all of them are done, and a piece that finds
// no place does not keep the scheduler from ending.
func TestCrewIsLimited(t *testing.T) {
	const most, all = 20, 5000
	c := newCrew(most)
	var now, highest, done atomic.Int64
	for range all {
		if !c.begin(t.Context(), func() {
			n := now.Add(1)
			for h := highest.Load(); n > h && !highest.CompareAndSwap(h, n); h = highest.Load() {
			}
			done.Add(1)
			now.Add(-1)
		}) {
			t.Fatal("a piece of work was not begun")
		}
	}
	c.work.Wait()
	if done.Load() != all || highest.Load() > most {
		t.Errorf("%d pieces were done, and up to %d at a time", done.Load(), highest.Load())
	}

	ctx, cancel := context.WithCancel(t.Context())
	last := make(chan struct{})
	for range most {
		c.begin(ctx, func() { <-last })
	}
	cancel()
	if c.begin(ctx, func() { t.Error("work was begun after the end") }) {
		t.Error("work was begun without a place")
	}
	close(last)
	c.work.Wait()
}
