package rotate_test

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
	var engines []*rotate.Engine
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
		if res := e.Advance(context.Background(), d); fault.CodeOf(res.Err) != "lease-held" || fault.KindOf(res.Err) != fault.Refused {
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

// TestLostLease: a process that was stopped for so long that another one took
// over has no effect any more when it wakes up (I8).
func TestLostLease(t *testing.T) {
	for _, op := range []string{"put s1", "publish s1", "activate mx1"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				w.bubble = true
				d.Policy.Schedule = "0 4 15 * *"
				first, second := w.start("first", nil), w.start("second", nil)
				var asleep atomic.Bool
				w.pause = func(o string) {
					if o == op && asleep.CompareAndSwap(false, true) {
						time.Sleep(time.Hour)
					}
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					res := first.Settle(t.Context(), d, rotate.Patience{Most: time.Hour}, nil)
					if res.Err == nil {
						t.Errorf("I8: the first process noticed nothing")
					}
				})
				time.Sleep(25 * time.Minute) // the lease has run out
				if res := second.Settle(t.Context(), d, rotate.Patience{Most: 20 * time.Minute}, nil); res.Err != nil || res.State.Phase != rotate.Ready {
					t.Fatalf("the second: %v, phase %s", res.Err, res.State.Phase)
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

// TestLeaseOutlivesEffects: a lease lasts longer than the longest time between two
// writes, which is when a signer is waited for and then takes its time.
func TestLeaseOutlivesEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(2, "mx1")
		w.bubble = true
		const long = 5*time.Minute - time.Second // all but the most that a step may take
		w.pause = func(op string) { time.Sleep(long) }
		slow := w.start("slow", nil)
		var all sync.WaitGroup
		for _, d := range domains {
			all.Go(func() {
				if r := slow.Settle(t.Context(), d, rotate.Patience{Most: time.Hour}, nil); r.Err != nil {
					t.Error(r.Err)
				}
			})
			time.Sleep(time.Millisecond) // or both may be activated together
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

// TestPatienceWithTheOther: a person's command waits for the process that has the
// domain in hand just then, for seconds only; a scheduled one does not (I8).
func TestPatienceWithTheOther(t *testing.T) {
	tests := []struct {
		named    bool
		released time.Duration // when the other process ends
		done     bool
	}{{true, 3 * time.Second, true}, {true, time.Minute, false}, {false, 3 * time.Second, false}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.bubble = true
			lease, err := w.store.Acquire(t.Context(), rotate.LeaseRequest{Domain: d.Name, Owner: "other", Now: w.Now(), TTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				time.Sleep(tt.released)
				if err := w.store.Release(context.WithoutCancel(t.Context()), lease); err != nil {
					t.Error(err)
				}
			}()
			d.Named = tt.named
			res := w.start("person", nil).Advance(t.Context(), d)
			if refused := fault.CodeOf(res.Err) == "lease-held"; refused == tt.done {
				t.Errorf("%+v: got %v", tt, res.Err)
			}
			time.Sleep(time.Hour)
		})
	}
}

// TestPatienceInBetween: a person's command that waits out a drain goes on when another
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
		res := w.start("person", nil).Settle(t.Context(), d, rotate.Patience{Most: 10 * time.Minute}, func(string, rotate.Next) {
			if waits++; waits > 1 {
				return
			}
			lease, err := w.store.Acquire(t.Context(), rotate.LeaseRequest{Domain: d.Name, Owner: "daemon", Now: w.Now(), TTL: time.Hour})
			if err != nil {
				t.Error(err)
			}
			go func() {
				time.Sleep(95 * time.Second)
				_ = w.store.Release(context.WithoutCancel(t.Context()), lease)
			}()
		})
		if res.Err != nil || waits == 0 || res.State.Phase != rotate.Ready {
			t.Errorf("%v; phase %s after %d waits", res.Err, res.State.Phase, waits)
		}
		time.Sleep(time.Hour)
	})
}
