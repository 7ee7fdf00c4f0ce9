package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestStrayWithoutAnswer: a signer strays, is brought back, and its answer is lost.
// It signed with the draining selector until then, so the drain starts again all
// the same (I2, I7, I10). Found by the simulator.
func TestStrayWithoutAnswer(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Asked = true
	w.engine().Advance(context.Background(), d)
	d.Asked = false
	w.pass(6 * day)
	w.hosts["mx1"].restore(d.Name, 1)
	w.pass(day + time.Minute)
	w.trouble = func(op string) trouble {
		if op == "activate mx1" {
			return lost
		}
		return fine
	}
	if res := w.engine().Advance(context.Background(), d); res.Err == nil {
		t.Fatal("the lost answer is no error")
	}
	w.trouble = nil
	back := w.Now()
	w.pass(day)
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.SwitchedAt.Before(back) {
		t.Fatalf("I10: %v; phase %s, switched at %s; the signer strayed until %s", res.Err, res.State.Phase,
			res.State.SwitchedAt, back)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}
