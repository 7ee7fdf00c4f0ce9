package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// TestTwoProcesses: two processes that work on the same domains, each with its own
// handle on one SQLite database, never act on one at once (I8). The world checks
// the lease at each effect.
func TestTwoProcesses(t *testing.T) {
	w, domains := newWorld(t, "mx1", "mx2"), fleet(6, "mx1", "mx2")
	path := filepath.Join(t.TempDir(), "state.db")
	var engines []*testEngine
	for i := range 2 {
		store, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		w.store = store
		engines = append(engines, w.start(fmt.Sprint("process ", i), func(string) bool { return false }))
	}
	var held atomic.Int32
	turn := func(asked bool) {
		var wg sync.WaitGroup
		for _, e := range engines {
			for _, d := range domains {
				d.Asked = asked
				wg.Go(func() {
					switch res := e.Advance(context.Background(), d); {
					case fault.CodeOf(res.Err) == "lease-held":
						held.Add(1)
					case res.Err != nil:
						t.Error(res.Err)
					}
				})
			}
		}
		wg.Wait()
	}
	for range 3 {
		turn(false) // bootstrap
		w.pass(time.Hour)
		turn(false)
		turn(true) // rotate
		w.pass(8 * day)
		turn(false) // replace
		w.pass(8 * day)
	}
	for _, d := range domains {
		w.checkReady(d, "")
	}
	if held.Load() == 0 {
		t.Error("the processes never met")
	}
}

// TestTwiceInOneProcess: the owner of both is the same, and the second is refused all the same (I8).
func TestTwiceInOneProcess(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	e := w.engine()
	met := 0
	w.pause = func(string) {
		met++
		if res := e.Advance(context.Background(), d); fault.CodeOf(res.Err) != "lease-held" ||
			fault.KindOf(res.Err) != fault.Refused {
			t.Errorf("I8: the second got %v", res.Err)
		} else {
			faulttest.Shown(t, res.Err)
		}
	}
	if res := e.Settle(context.Background(), d, forever, nil); res.Err != nil || met == 0 {
		t.Errorf("%v, after %d meetings", res.Err, met)
	}
	w.checkReady(d, "s1")
}

// asleep stops the process in the middle of an operation, once and for a while.
func (w *world) asleep(process, operation string, d time.Duration) {
	var asleep atomic.Bool
	w.pause = func(op string) {
		if op == operation && asleep.CompareAndSwap(false, true) {
			w.stop(process, true)
			time.Sleep(d)
			w.stop(process, false)
		}
	}
}

// TestLeaseAndClock: no step of the wall clock lets a second process in, nor out (I8).
func TestLeaseAndClock(t *testing.T) {
	for _, step := range []time.Duration{30 * time.Minute, -time.Hour, 32 * 365 * day, -20 * 365 * day} {
		synctest.Test(t, func(t *testing.T) {
			w, d := readyToRotate(t)
			w.pause = func(op string) {
				if op == "activate mx1" {
					time.Sleep(4 * time.Minute)
				}
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if res := w.start("first", nil).Advance(t.Context(), d); res.Err != nil {
					t.Errorf("clock set by %s: %v", step, res.Err)
				}
			})
			time.Sleep(time.Minute)
			w.setClock(step)
			for range 3 {
				if res := w.start("second", nil).Advance(t.Context(), d); fault.CodeOf(res.Err) != "lease-held" {
					t.Errorf("I8: clock set by %s: the second process got %v", step, res.Err)
				}
				time.Sleep(10 * time.Second)
			}
			wg.Wait()
		})
	}
}

// readyToRotate returns a world in a bubble whose domain is ready, and asked to rotate.
func readyToRotate(t *testing.T) (*world, wish) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.bubble = true
	if res := w.start("zeroth", nil).Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil); res.Err != nil {
		t.Fatal(res.Err)
	}
	time.Sleep(8 * day)
	d.Asked = true
	return w, d
}

// TestPatienceWithTheOther: a person's command waits for the process that has the
// domain in hand just then, for seconds only, and for minutes where it reports a compromised key, since
// that would be forgotten; a scheduled one for a moment, until it sees that the other one lives (I8).
func TestPatienceWithTheOther(t *testing.T) {
	tests := []struct {
		named    bool
		leaked   bool
		released time.Duration // when the other process ends
		done     bool
	}{{true, false, 3 * time.Second, true}, {true, false, time.Minute, false}, {false, false, time.Minute, false},
		{false, false, 20 * time.Second, false}, {true, true, 2 * time.Minute, true}, {true, true, time.Hour, false}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.bubble = true
			release := w.holds("other", d)
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(tt.released)
				release()
			})
			d.Named = tt.named
			most := 20 * time.Second
			if tt.leaked {
				d.Instruction, most = rotate.Compromised{}, 11*time.Minute
			}
			began := time.Now()
			res := w.start("person", nil).Advance(t.Context(), d)
			if refused := fault.CodeOf(res.Err) == "lease-held"; refused == tt.done || refused &&
				time.Since(began) > most {
				t.Errorf("%+v: got %v after %s", tt, res.Err, time.Since(began))
			}
			wg.Wait()
		})
	}
}

// TestPatienceInBetween: a person's command that waits out a drain continues when another
// process, such as the daemon, has been faster (I8).
func TestPatienceInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.bubble = true
		d.Policy.Drain, d.Policy.Settle = 30*time.Second, 30*time.Second
		w.start("first", nil).Settle(t.Context(), d, forever, nil)
		time.Sleep(time.Minute)
		d.Asked, d.Named = true, true
		waits := 0
		res := w.start("person", nil).Settle(t.Context(), d, engine.Patience{Most: 10 * time.Minute},
			func(string, rotate.Next) {
				if waits++; waits > 1 {
					return
				}
				release := w.holds("daemon", d)
				go func() {
					time.Sleep(95 * time.Second)
					release()
				}()
			})
		if res.Err != nil || waits == 0 || res.State.Phase != rotate.Ready {
			t.Errorf("%v; phase %s after %d waits", res.Err, res.State.Phase, waits)
		}
		time.Sleep(time.Hour)
	})
}
