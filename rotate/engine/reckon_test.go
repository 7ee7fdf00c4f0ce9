package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/google/go-cmp/cmp"
)

// bootClock is a clock of a machine that has been up since a boot, whatever it shows.
type bootClock struct {
	*process
	boot  string
	ahead time.Duration // by how much the clock was set forward
}

func (c *bootClock) Now() time.Time { return c.process.Now().Add(c.ahead) }

func (c *bootClock) Up() (string, time.Duration) {
	return c.boot, c.process.Now().Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

// TestClockSetForward: a clock that is set forward during a drain does not end it
// early, as long as the machine has not been booted since (I2).
func TestClockSetForward(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	clock := &bootClock{boot: "one"}
	engine := func() *testEngine {
		e := w.engine()
		clock.process = e.Clock.(*process)
		e.Clock = clock
		return e
	}
	engine().Settle(context.Background(), d, forever, nil)
	w.pass(time.Minute)
	d.Asked = true
	if res := engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("%v; phase %s", res.Err, res.State.Phase)
	}
	d.Asked = false
	w.pass(2 * day)
	clock.ahead = 30 * day
	res := engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("I2: %v; phase %s after two days, with the clock a month ahead", res.Err, res.State.Phase)
	}
	if left := res.State.Next.At.Sub(clock.Now()); left < 4*day || left > 6*day {
		t.Errorf("the drain has %s left by the clock, want five days", left)
	}
	if again := engine().Advance(context.Background(), d); again.State.Revision != res.State.Revision {
		t.Error("it was taken into account twice")
	}
	clock.boot = "two" // nobody can tell any more
	w.pass(6 * day)
	if res := engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Fatalf("%v; phase %s when the drain has passed", res.Err, res.State.Phase)
	}
	w.checkMail()
}

// TestReckonedLeavesItsState: what a clock that was set means is worked out on a copy. The state that
// was read is compared with the one that is written, and must not change under that (I7).
func TestReckonedLeavesItsState(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	st := rotate.State{Clock: &rotate.Instant{At: at, Boot: "b"}, SwitchedAt: at,
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "k", StoredAt: at}, LastUsedAt: at}},
		Signers:   map[string]rotate.Confirmed{"mx1": {Selector: "s1", At: at}}}
	before := rotate.CopyState(st)
	after, ahead := st.Reckoned(rotate.Instant{At: at.Add(30 * day), Boot: "b", Up: time.Hour})
	if want := 30*day - time.Hour; ahead != want || !after.Selectors["s1"].Key.StoredAt.Equal(at.Add(want)) {
		t.Errorf("set forward by %s, the key stored at %s", ahead, after.Selectors["s1"].Key.StoredAt)
	}
	if diff := cmp.Diff(before, st); diff != "" {
		t.Errorf("the state that was read has changed:\n%s", diff)
	}
}
