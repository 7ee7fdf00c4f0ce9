package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What may pass by itself is tried again, with the same steps.
func TestApplyTriesAgain(t *testing.T) {
	for _, op := range []string{"put s1", "publish s2", "look s2", "activate mx1", "get s1"} {
		for _, kind := range []trouble{refused, lost} {
			t.Run(fmt.Sprint(op, kind), func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				a, n := w.approve("p1", d), 0
				w.trouble = func(o string) trouble {
					if o == op {
						n++
					}
					if asks := strings.HasPrefix(op, "look") || strings.HasPrefix(op, "get"); o == op &&
						(n == 1 && !asks || n == 2 && asks) {
						return kind
					}
					return fine
				}
				res, _ := w.apply(d, a, engine.Patience{Most: time.Hour, Retry: true})
				if res.Err != nil || len(res.Left) > 0 || n == 0 {
					t.Fatalf("%v, left %s, %d calls", res.Err, kinds(res.Left), n)
				}
				w.checkReady(d, "s1")
			})
		}
	}
}

// Of two processes that apply a plan at the same moment, one does it (I8).
func TestApplyTwoAtOnce(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	a := w.approve("p1", d)
	second, met := w.start("second", nil), 0
	w.pause = func(string) {
		w.pause = nil
		res := second.Apply(context.Background(), d, a, engine.Patience{}, nil)
		if met++; fault.KindOf(res.Err) != fault.Refused || len(res.Done) > 0 {
			t.Errorf("the second: %v, did %v", res.Err, res.Done)
		}
	}
	res := w.engine().Apply(context.Background(), d, a, engine.Patience{Most: time.Hour}, nil)
	if res.Err != nil || met != 1 {
		t.Fatal(res.Err, met)
	}
	w.checkReady(d, "s1")
}

// When somebody else continued while the plan waited, nothing more is done by it,
// and what was done needs no excuse.
func TestApplyOvertaken(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	a := w.approve("p1", d)
	overtake := func(string, rotate.Next) {
		w.pass(negative)
		if res := w.start("daemon", nil).Advance(context.Background(), d); res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	res := w.engine().Apply(context.Background(), d, a, engine.Patience{Most: time.Hour}, overtake)
	if res.Err != nil || len(res.Left) > 0 || res.State.Phase != rotate.Ready {
		t.Fatalf("%v, left %s, phase %s", res.Err, kinds(res.Left), res.State.Phase)
	}

	w, d = newWorld(t, "mx1"), wanted("mx1")
	a = w.approve("p1", d)
	overtake = func(string, rotate.Next) {
		w.trouble = failing("activate mx1")
		w.pass(negative)
		w.start("daemon", nil).Advance(context.Background(), d)
		w.trouble = nil
	}
	res = w.engine().Apply(context.Background(), d, a, engine.Patience{Most: time.Hour}, overtake)
	wantStale(t, res.Err, "somebody else has changed example.com since this plan was started")
	if kinds(res.Left) != "activate s1mx1" {
		t.Errorf("left %s", kinds(res.Left))
	}
}

// I7: killed anywhere, the domain ends where an undisturbed run would have, and
// the plan is not applied a second time.
func TestApplyCrashAnywhere(t *testing.T) {
	for _, wish := range []bool{false, true} {
		for crashAt := 1; ; crashAt++ {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			if wish {
				w.settle(d)
				d.Asked = true
			}
			a := w.approve("p1", d)
			w.crashAt = w.points + 1 + crashAt // the engine counts as one
			res, _ := w.apply(d, a, engine.Patience{Most: time.Hour})
			if !errors.Is(res.Err, errCrashed) {
				if res.Err != nil || crashAt < 5 {
					t.Fatalf("crash at %d: %v", crashAt, res.Err)
				}
				break
			}
			w.crashAt = 0
			w.apply(d, a, engine.Patience{Most: time.Hour}) // whether it is refused depends on where the crash was
			d.Asked = false
			if res := w.settle(d); res.Err != nil {
				t.Fatalf("crash at %d, then: %v", crashAt, res.Err)
			}
			w.checkReady(d, "")
			w.checkApplied()
		}
	}
}

// checkApplied: no plan is ever taken up twice.
func (w *world) checkApplied() {
	w.Helper()
	events, err := w.store.History(context.Background(), "", 0)
	if err != nil {
		w.Fatalf("%v", err)
	}
	seen := map[string]bool{}
	for _, e := range events {
		if e.Kind == rotate.Applied && seen[e.Message] {
			w.Errorf("%s twice", e.Message)
		}
		seen[e.Message] = e.Kind == rotate.Applied
	}
}

// An interruption between two steps leaves nothing half-done, and what was begun
// is due at once.
func TestApplyInterrupted(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	a := w.approve("p1", asked(d))
	ctx, cancel := context.WithCancel(context.Background())
	w.pause = func(string) { cancel() }
	res := w.engine().Apply(ctx, d, a, forever, nil)
	w.pause = nil
	if !errors.Is(res.Err, context.Canceled) || res.State.Phase != rotate.Switching ||
		kinds(res.Left) != "activate s2mx2" {
		t.Fatalf("%v, phase %s, left %s", res.Err, res.State.Phase, kinds(res.Left))
	}
	if due, err := w.store.Due(context.Background(), w.Now()); err != nil || !slices.Equal(due, []string{d.Name}) {
		t.Errorf("due is %v, %v", due, err)
	}
	if res := w.settle(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s2")
}
