package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
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

// TestLossIsToldOnce: a process that was stopped for longer than its lease may go without a
// renewal says so once, and says nothing of the work that was ended for it (true words).
func TestLossIsToldOnce(t *testing.T) {
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

// TestLateEffect: an activation that comes after its process has lost the lease is told
// of, and put right at once, by that process, or, when that is dead, by whoever looks
// after the domain: until it can't come any more that is every minute (I8, I1).
func TestLateEffect(t *testing.T) {
	for title, killed := range map[string]bool{"told": false, "killed before it tells": true} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testLateEffect(t, killed) })
		})
	}
}

func testLateEffect(t *testing.T, killed bool) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.bubble = true
	second := w.start("second", nil)
	second.Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
	time.Sleep(8 * day)

	first := w.start("first", nil)
	w.outlaw, w.dies = "first", killed
	w.asleep("first", "activate mx1", 9*time.Minute)
	var wg sync.WaitGroup
	wg.Go(func() {
		asked := d
		asked.Asked = true
		res := first.Advance(t.Context(), asked)
		if killed {
			return
		}
		faulttest.Shown(t, res.Err)
		if fault.CodeOf(res.Err) != codes.LeaseLost ||
			!strings.Contains(res.Err.Error(), "activate s2._domainkey.example.com on signer mx1") {
			t.Errorf("I8: the first process got %v", res.Err)
		}
	})
	time.Sleep(time.Second)
	back := d
	back.Instruction, back.Named = rotate.Rollback{}, true
	if res := second.Advance(t.Context(), back); res.Err != nil || w.hosts["mx1"].selector(d.Name) != "s1" {
		t.Fatalf("rolled back: %v; mx1 signs with %s", res.Err, w.hosts["mx1"].selector(d.Name))
	}
	for range 60 { // a quarter of an hour of a daemon
		time.Sleep(15 * time.Second)
		if looks, err := w.store.TakeLooks(t.Context(), time.Now(), []string{d.Name}); err != nil || len(looks) > 0 {
			second.Advance(t.Context(), d)
		}
	}
	wg.Wait()
	most := time.Second
	if killed {
		most = ports.LookClosely + 15*time.Second
	}
	uses := w.hosts["mx1"].uses
	if len(uses) < 3 || uses[len(uses)-2].ref.Selector != "s2" || uses[len(uses)-1].ref.Selector != "s1" {
		t.Fatalf("I8: mx1 signs with %s; want it brought back from s2", w.hosts["mx1"].selector(d.Name))
	}
	if after := uses[len(uses)-1].from.Sub(uses[len(uses)-2].from); after > most {
		t.Errorf("I8: the late effect was put right after %s, want %s", after, most)
	}
	if e := w.event(d, rotate.Activate); e.Outcome != "done" || !killed &&
		!w.happened(d, "it may have come after the lease had passed") {
		t.Errorf("the last activation in the history is %+v", e)
	}
}

// happened reports whether the domain's history says so.
func (w *world) happened(d wish, says string) bool {
	events, err := w.store.History(context.Background(), d.Name, 0)
	return err == nil && slices.ContainsFunc(events,
		func(e rotate.Event) bool { return strings.Contains(e.Message, says) })
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

// TestDeadOwner: a lease that its owner did not give back, whatever its date, holds a
// domain up for as long as it has to be watched, and no longer; one of an older
// version for as long as such a lease could last. Whoever waits is told.
func TestDeadOwner(t *testing.T) {
	const old = 2*time.Minute + 15*time.Minute
	for title, tt := range map[string]struct {
		ttl, date time.Duration
		want      time.Duration
	}{
		"just taken":                        {90 * time.Second, 0, 90 * time.Second},
		"of 2058":                           {90 * time.Second, 32 * 365 * day, 90 * time.Second},
		"of 1994":                           {90 * time.Second, -32 * 365 * day, 90 * time.Second},
		"older version, run out":            {0, -time.Hour, 90 * time.Second},
		"older version, five minutes to go": {0, 5 * time.Minute, 5 * time.Minute},
		"older version, of 2058":            {0, 32 * 365 * day, old},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				w.bubble = true
				dated := time.Now().Add(tt.date)
				w.store = dead{w.store, &ports.Lease{Domain: d.Name, Owner: "root@mail2 pid 7", Fence: 7, TTL: tt.ttl,
					Since: dated, Expires: dated}}
				e, began := w.start("second", nil), time.Now()
				var told []ports.Watched
				e.Watching = func(l ports.Watched) { told = append(told, l) }
				if res := e.Advance(t.Context(), d); res.Err != nil {
					t.Fatal(res.Err)
				}
				taken := w.event(d, rotate.LeaseTaken)
				if waited := taken.At.Sub(began); waited < tt.want || waited > tt.want+15*time.Second {
					t.Errorf("taken over after %s, want %s", waited, tt.want)
				}
				if want := "the lease of root@mail2 pid 7 was taken over: it had not been renewed for its whole length"; taken.
					Message != want {
					t.Errorf("the history says %q", taken.Message)
				}
				if len(told) != 1 || told[0].Owner != "root@mail2 pid 7" || told[0].Left <= 0 || told[0].Left > told[0].Length {
					t.Errorf("told: %+v", told)
				}
			})
		})
	}
}

// dead is a store in which an owner that is dead holds a lease.
type dead struct {
	state.Store
	lease *ports.Lease
}

func (s dead) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	if s.lease.Owner == "" {
		return s.Store.Acquire(ctx, req)
	}
	if _, err := state.Grant(*s.lease, req); err != nil {
		return ports.Lease{}, err
	}
	from := s.lease.Owner
	s.lease.Owner = ""
	l, err := s.Store.Acquire(ctx, req)
	l.TakenFrom = from
	return l, err
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

// TestPatienceWithTheOther: a person's command waits for the process that has the
// domain in hand just then, for seconds only; a scheduled one for a moment, until it
// sees that the other one lives (I8).
func TestPatienceWithTheOther(t *testing.T) {
	tests := []struct {
		named    bool
		released time.Duration // when the other process ends
		done     bool
	}{{true, 3 * time.Second, true}, {true, time.Minute, false}, {false, time.Minute, false},
		{false, 20 * time.Second, false}}
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
			began := time.Now()
			res := w.start("person", nil).Advance(t.Context(), d)
			if refused := fault.CodeOf(res.Err) == "lease-held"; refused == tt.done || refused &&
				time.Since(began) > 20*time.Second {
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

// TestProgramsOfTheDead: what an owner had started is ended before anything is asked or done in its
// stead, and the history says so; nothing is looked for of one that had begun no effect (I8).
func TestProgramsOfTheDead(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	asked := d
	asked.Asked = true
	w.trouble = func(op string) trouble {
		if op != "activate mx1" {
			return fine
		}
		w.crashAt = w.points + 1 // the signer's command runs on, and its dkimbot writes nothing any more
		return delayed
	}
	if res := w.start("first", nil).Advance(t.Context(), asked); !errors.Is(res.Err, errCrashed) {
		t.Fatalf("%v", res.Err)
	}
	w.trouble = nil
	second, ended := w.engine(), 0
	second.EndPrograms = func(_ context.Context, owner string) ports.Orphans {
		if ended++; owner != "first" {
			t.Errorf("the programs of %q are to be ended", owner)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		n := len(w.late)
		w.late = nil
		w.pause = nil
		return ports.Orphans{Ended: n}
	}
	w.pause = func(op string) { t.Errorf("%s before the programs of the dead were ended", op) }
	report := d
	report.Instruction = rotate.Compromised{Selectors: []string{"s2"}}
	if res := second.Advance(t.Context(), report); res.Err != nil || ended != 1 {
		t.Fatalf("%v; ended %d times", res.Err, ended)
	}
	if e := w.event(d, rotate.LeaseTaken); !strings.Contains(e.Message,
		"the lease of first was taken over, in the middle of "+
			"activate s2._domainkey.example.com on signer mx1; programs that it had started: 1 ended; ") {
		t.Errorf("the history says: %s", e.Message)
	}
	w.pass(time.Hour)
	if got := w.hosts["mx1"].selector(d.Name); got != "s1" {
		t.Errorf("I8: mx1 signs with %s", got)
	}
	w.crashAt = w.points + 2 // the lease is taken, and nothing begun
	w.start("third", nil).Advance(t.Context(), d)
	if second.Advance(t.Context(), d); ended != 1 {
		t.Errorf("programs were looked for %d times", ended)
	}
}
