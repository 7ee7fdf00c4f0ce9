package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestTakeover guards I8: of an owner that is proved dead it is said in the middle of what it ended, and nothing where it
// had begun nothing.
func TestTakeover(t *testing.T) {
	for title, tt := range map[string]struct {
		crash func(w *world, d wish)
		says  string
	}{
		"nothing was begun": {func(w *world, d wish) {
			w.crashAt = w.points + 1 // the lease is taken, and nothing begun
			w.start("first", nil).Advance(t.Context(), d)
		}, ""},
		"it gave its lease back": {func(w *world, d wish) {
			w.trouble = failing("activate mx1")
			w.start("first", nil).Advance(t.Context(), d)
			w.trouble = nil
			if w.state(d.Name).Intent == nil {
				t.Error("no effect is unconfirmed")
			}
			w.pass(time.Hour)
		}, ""},
		"in the middle": {func(w *world, d wish) {
			w.trouble = func(op string) trouble {
				if op == "activate mx1" {
					w.crashAt = w.points + 1
				}
				return fine
			}
			w.start("first", nil).Advance(t.Context(), d)
			w.trouble = nil
		}, "the lease of first was taken over, in the middle of activate s2._domainkey.example.com on signer mx1; the domain is"},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(8 * day)
			d.Asked = true
			tt.crash(w, d)
			w.crashAt = 0
			parts := w.engine().Parts
			parts.EndPrograms = func(context.Context, string) ports.Orphans { return ports.Orphans{} }
			if res := newEngine(parts).Advance(t.Context(), d); res.Err != nil {
				t.Fatal(res.Err)
			}
			if said := w.happened(d, "was taken over"); said != (tt.says != "") {
				t.Errorf("it is said: %t (%s)", said, w.event(d, rotate.LeaseTaken).Message)
			}
			if tt.says != "" && !strings.HasPrefix(w.event(d, rotate.LeaseTaken).Message, tt.says) {
				t.Errorf("it says %q", w.event(d, rotate.LeaseTaken).Message)
			}
		})
	}
}

// TestLostLease: a process that was stopped for so long that another one took over has
// no effect any more when it wakes up (I8). The other one has no proof that it is dead:
// it watches its lease for its whole length.
func TestLostLease(t *testing.T) {
	for _, op := range []string{"put s1", "publish s1", "activate mx1"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				w.bubble = true
				d.Policy.Schedule = "0 4 15 * *"
				first, second := w.start("first", nil), w.start("second", nil)
				w.asleep("first", op, time.Hour)
				var wg sync.WaitGroup
				wg.Go(func() {
					res := first.Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
					if res.Err == nil {
						t.Errorf("I8: the first process noticed nothing")
					}
				})
				time.Sleep(10 * time.Minute) // the first has come there
				began := time.Now()
				if res := second.Settle(t.Context(), d, engine.Patience{Most: 20 * time.Minute}, nil); res.Err != nil ||
					res.State.Phase != rotate.Ready {
					t.Fatalf("the second: %v, phase %s", res.Err, res.State.Phase)
				}
				if taken := w.event(d, rotate.LeaseTaken); taken.At.Sub(began) < 90*time.Second ||
					!strings.Contains(taken.Message, "first") {
					t.Errorf("I8: the lease was taken over %s after it was seen: %s", taken.At.Sub(began), taken.Message)
				}
				revision := w.state(d.Name).Revision
				wg.Wait()
				if st := w.state(d.Name); st.Revision != revision {
					t.Errorf("I8: the first process wrote the state over: %+v", st)
				}
				w.checkReady(d, "s1")
			})
		})
	}
}

// TestLossIsSaidOnce: a process that was stopped for longer than its lease may go without a
// renewal says so once, and says nothing of the work that was ended for it (true words).
func TestLossIsSaidOnce(t *testing.T) {
	for _, op := range []string{"put s1", "publish s1", "activate mx1"} {
		t.Run(op, func(t *testing.T) {
			for range 50 { // at its first beat it renews the lease or finds that it is too late for that
				var err error
				synctest.Test(t, func(t *testing.T) { err = stoppedFor(t, op, 75*time.Second) })
				if fault.CodeOf(err) != codes.LeaseLost {
					continue
				}
				faulttest.Shown(t, err)
				if text := err.Error(); strings.Count(text, "lease could not be renewed") != 1 ||
					strings.Contains(text, "canceled") {
					t.Errorf("it says: %s", text)
				}
				return
			}
			t.Error("it never noticed")
		})
	}
}

// stoppedFor returns how the run of a process ends that was stopped in an operation.
func stoppedFor(t *testing.T, op string, d time.Duration) error {
	w, want := newWorld(t, "mx1"), wanted("mx1")
	w.bubble = true
	first := w.start("first", nil)
	w.asleep("first", op, d)
	asleep := w.pause
	w.pause = func(o string) {
		if asleep(o); o == op {
			time.Sleep(10 * time.Second) // until its first beat
		}
	}
	return first.Settle(t.Context(), want, engine.Patience{Most: time.Hour}, nil).Err
}

// event returns the last event of a kind in the domain's history.
func (w *world) event(d wish, kind rotate.Kind) rotate.Event {
	w.Helper()
	events, err := w.store.History(context.Background(), d.Name, 0)
	if err != nil {
		w.Fatalf("%v", err)
	}
	for _, e := range slices.Backward(events) {
		if e.Kind == kind {
			return e
		}
	}
	w.Fatalf("no event of kind %q in the history", kind)
	return rotate.Event{}
}

// TestLeaseOutlivesEffects: a lease is renewed while an effect takes its time, so that
// nobody takes it over, and the others are told soon that its owner works (I8).
func TestLeaseOutlivesEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(2, "mx1")
		w.bubble = true
		const long = 5*time.Minute - time.Second // all but the most that a step may take
		w.pause = func(op string) { time.Sleep(long) }
		slow, other := w.start("slow", nil), w.start("other", nil)
		var all sync.WaitGroup
		for _, d := range domains {
			all.Go(func() {
				if r := slow.Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil); r.Err != nil {
					t.Error(r.Err)
				}
			})
			time.Sleep(time.Millisecond) // or both may be activated together
		}
		for range 30 {
			began := time.Now()
			if res := other.Advance(t.Context(), domains[0]); fault.CodeOf(res.Err) != "lease-held" ||
				time.Since(began) > 20*time.Second {
				t.Fatalf("I8: another process got %v after %s", res.Err, time.Since(began))
			}
			time.Sleep(10 * time.Second)
		}
		all.Wait()
		var began []time.Time
		for _, d := range domains {
			w.checkReady(d, "s1")
		}
		for _, u := range w.hosts["mx1"].uses {
			began = append(began, u.from)
		}
		if apart := began[1].Sub(began[0]); apart != long {
			t.Errorf("the second activation came %s after the first, want it to wait for it", apart)
		}
	})
}

// TestUnrenewable: a process that can't renew its lease, because the disk of the state
// is full or hangs, begins no effect and ends the one under way before another
// process may take over (I8).
func TestUnrenewable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := readyToRotate(t)
		first := w.start("first", nil)
		var broken time.Time
		w.pause = func(op string) {
			if op == "activate mx1" {
				broken = time.Now()
			}
		}
		w.trouble = func(op string) trouble {
			if !broken.IsZero() && (op == "renew" || op == "save") {
				return refused
			}
			return fine
		}
		w.hang = "activate mx1"
		res := first.Advance(t.Context(), d)
		ended := time.Now()
		if fault.CodeOf(res.Err) != codes.LeaseLost || ended.Sub(broken) >= 90*time.Second-longestBeat {
			t.Errorf("I8: the effect was given up after %s, with %v", ended.Sub(broken), res.Err)
		}
		faulttest.Shown(t, res.Err)
	})
}

// longestBeat is the time that is left between the end of a process's effects and the
// time when another one may take over.
const longestBeat = 10 * time.Second

// TestTakeoverUnnoted: where a lease was taken over in the middle of an effect and the state can't be read or
// written just then, the next run still looks for the effect that may come, and says so (I8).
func TestTakeoverUnnoted(t *testing.T) {
	for _, broken := range []string{"look again", "load"} {
		t.Run(broken, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.diesInSwitch("first", d)
			w.trouble = func(op string) trouble {
				if op == broken {
					return refused
				}
				return fine
			}
			if res := w.start("second", nil).Advance(t.Context(), d); res.Err == nil {
				t.Fatalf("the second process notes the takeover where %q fails", broken)
			}
			w.trouble = nil
			if res := w.start("third", nil).Advance(t.Context(), d); res.Err != nil {
				t.Fatal(res.Err)
			}
			e := w.event(d, rotate.LeaseTaken)
			if want := "the lease of second was taken over"; !strings.Contains(e.Message, want) ||
				!strings.Contains(e.Message, "the domain is looked at every minute until ") {
				t.Errorf("I8: the history says %q", e.Message)
			}
		})
	}
}
