package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
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
	if w.happened(d, "the machine's clock was set") {
		t.Error("the history says that the clock was set, and it was not")
	}
	clock.ahead = 30 * day
	res := engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("I2: %v; phase %s after two days, with the clock a month ahead", res.Err, res.State.Phase)
	}
	if left := res.State.Next.At.Sub(clock.Now()); left < 4*day || left > 6*day {
		t.Errorf("the drain has %s left by the clock, want five days", left)
	}
	if !w.happened(d, "the machine's clock was set forward by") {
		t.Error("the history says nothing of it")
	}
	if again := engine().Advance(context.Background(), d); again.State.Revision != res.State.Revision {
		t.Error("it was taken into account twice")
	}
	clock.boot = "two" // it can't be known any more
	w.pass(6 * day)
	if res := engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Fatalf("%v; phase %s when the drain has passed", res.Err, res.State.Phase)
	}
	w.checkMail()
	if res := w.engine().Advance(context.Background(), asked(d)); res.Err != nil || w.state(d.Name).Clock != nil {
		t.Errorf("a machine that does not know when it was booted: %v; %+v", res.Err, w.state(d.Name).Clock)
	}
}
