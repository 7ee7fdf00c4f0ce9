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
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/scheduler"
)

// counted returns an engine that lets domains begin to switch as the counts allow.
func (w *world) counted(run, hour int) *testEngine {
	parts := w.engine().Parts
	parts.Quota = w.store
	parts.Counts = ports.Counts{PerRun: ports.Bound{Most: run, Key: "limits.switches_per_run"},
		PerHour: ports.Bound{Most: hour, Key: "limits.switches_per_hour"}}
	return newEngine(parts)
}

// dueFleet makes domains that are ready and due at once.
func dueFleet(t *testing.T, n int) (*world, []wish) {
	w, all := newWorld(t, "mx1"), fleet(n, "mx1")
	for _, d := range all {
		if res := w.settle(d); res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	w.now = time.Date(2026, 1, 15, 4, 0, 0, 0, time.UTC)
	return w, all
}

// outcomes advances the domains, side by side, and returns the names of those that began.
func (w *world) outcomes(e *testEngine, domains []wish) (began []string, held []engine.Result) {
	e.SettleAll(context.Background(), domains, engine.Patience{}, nil, func(r engine.Result) {
		if r.State.Phase == rotate.Draining {
			began = append(began, r.Domain)
			return
		}
		held = append(held, r)
	})
	return began, held
}

// As many begin in one run as may; the rest waits for the next, which is at once.
func TestSwitchesPerRun(t *testing.T) {
	w, all := dueFleet(t, 5)
	left := all
	for _, most := range []int{2, 2, 1} {
		began, held := w.outcomes(w.counted(2, 0), left)
		if len(began) != most || len(began)+len(held) != len(left) {
			t.Fatalf("of %d began %v", len(left), began)
		}
		for _, r := range held {
			if r.Err != nil || r.Plan.Held != "limits.switches_per_run" || r.State.Next.Action != "rotate" ||
				r.State.Next.Reason.Code != "limit" || !r.State.Next.At.Equal(w.now) ||
				!strings.Contains(r.State.Next.Reason.Message, "2 domains started switching in this run (limits.switches_per_run)") || r.State.Failures > 0 {
				t.Errorf("%s: %v, held by %q, next %+v, done %v", r.Domain, r.Err, r.Plan.Held, r.State.Next, r.Done)
			}
		}
		left = slices.DeleteFunc(slices.Clone(left), func(d wish) bool { return slices.Contains(began, d.Name) })
	}
}

// In no hour more begin than may, over all runs; those that wait are reported when
// there is room, each for itself; and all get their turn.
func TestSwitchesPerHour(t *testing.T) {
	w, all := dueFleet(t, 7)
	begun := map[string]time.Time{}
	e := w.counted(0, 2)
	for round := range 200 {
		if round%5 == 4 {
			e = w.counted(0, 2) // another process takes over
		}
		pending, err := scheduler.Pending(context.Background(), w.store, w.now, configured(all), rotate.Request{})
		if err != nil {
			t.Fatal(err)
		}
		began, held := w.outcomes(e, unaskedOf(pending))
		for _, name := range began {
			if _, had := begun[name]; !had {
				begun[name] = w.now
			}
		}
		times := map[time.Time]int{}
		for _, r := range held {
			if r.State.Phase != rotate.Ready || len(begun) == len(all) {
				continue
			}
			at := r.State.Next.At
			if times[at]++; r.Err != nil || r.Plan.Held != "limits.switches_per_hour" || !at.After(w.now) ||
				at.After(w.now.Add(2*time.Hour)) || round == 0 && times[at] > 2 {
				t.Errorf("round %d, %s: %v, held by %q until %s, %d with it", round, r.Domain, r.Err, r.Plan.Held,
					at.Sub(w.now), times[at])
			}
		}
		if len(begun) == len(all) {
			break
		}
		w.now = w.now.Add(7 * time.Minute)
	}
	if len(begun) != len(all) {
		t.Fatalf("only %v began", begun)
	}
	for name, at := range begun {
		within := 0
		for _, other := range begun {
			if !other.Before(at) && other.Before(at.Add(time.Hour)) {
				within++
			}
		}
		if within > 2 {
			t.Errorf("%d began in the hour from %s, when %s did", within, at, name)
		}
	}
}

// Who asks is refused; it is no failure of the domain, its state stays as it is, and the flag helps.
func TestAskedBeyondCounts(t *testing.T) {
	for _, tt := range []struct {
		run, hour int
		key       string
	}{{1, 0, "limits.switches_per_run"}, {0, 1, "limits.switches_per_hour"}} {
		w, all := dueFleet(t, 3)
		w.now = w.now.Add(-time.Hour) // not due yet
		for i := range all {
			all[i].Asked, all[i].Named = true, true
		}
		e := w.counted(tt.run, tt.hour)
		began, held := w.outcomes(e, all[:2])
		if len(began) != 1 || len(held) != 1 {
			t.Fatalf("began %v", began)
		}
		err := held[0].Err
		if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != "threshold" ||
			!strings.Contains(err.Error(), "("+tt.key+")") || !strings.HasSuffix(fault.HintOf(err), " --ignore-limits") {
			t.Errorf("%v, hint %q", err, fault.HintOf(err))
		}
		st := w.state(held[0].Domain)
		if st.Failures != 0 || st.LastError != "" || st.Next.Reason.Code != "schedule" {
			t.Errorf("the domain is left with %d failures, %q, next %+v", st.Failures, st.LastError, st.Next)
		}
		if st.Revision != held[0].State.Revision {
			t.Errorf("the state has changed from revision %d to %d: plans for the domain would be stale",
				held[0].State.Revision, st.Revision)
		}
		all[2].Ignore.Counts = true
		if began, _ := w.outcomes(e, all[2:]); len(began) != 1 {
			t.Error("the flag does not help")
		}
	}
}

// Carrying on is never held back, and a failed beginning takes nobody's place.
func TestCountsHoldBackBeginningsOnly(t *testing.T) {
	w, all := dueFleet(t, 2)
	e := w.counted(1, 1)
	w.trouble = func(op string) trouble {
		if strings.HasPrefix(op, "activate") {
			return refused
		}
		return fine
	}
	if began, held := w.outcomes(e, all[:1]); len(began) != 0 || held[0].Err == nil ||
		held[0].State.Phase != rotate.Switching {
		t.Fatalf("began %v, %+v", began, held)
	}
	w.trouble = nil
	if began, _ := w.outcomes(w.counted(1, 1), all[:1]); len(began) != 1 {
		t.Error("a switch under way is held back")
	}
	if began, held := w.outcomes(w.counted(1, 1), all[1:]); len(began) != 0 || held[0].Plan.Held == "" {
		t.Errorf("the second began %v", began)
	}
}

// A daemon's run has no end: what a run may begin, it begins in an hour.
func TestDaemonCountsRunsByTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, all := newWorld(t, "mx1"), fleet(5, "mx1")
		begun := map[string]time.Time{}
		var mu sync.Mutex
		time.Sleep(time.Until(time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)))
		r := schedule(w, all, func(p *engine.Parts) {
			p.Quota, p.Counts = w.store, ports.Counts{PerRun: ports.Bound{Most: 2, Key: "limits.switches_per_run"}}
			p.Notify = func(e rotate.Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Kind == rotate.Drain && e.Outcome == "done" || e.Kind == rotate.Activate && e.Outcome == "done" &&
					e.Selector == "s2" {
					begun[e.Domain] = time.Now()
				}
			}
		})
		r.after(time.Until(time.Date(2026, 1, 15, 4, 30, 0, 0, time.UTC)))
		if len(begun) != 2 {
			t.Errorf("after half an hour %d began, want 2", len(begun))
		}
		for _, d := range all {
			if st := w.state(d.Name); st.Phase == rotate.Ready &&
				(st.Next.Reason.Code != "limit" || !strings.Contains(st.Next.Reason.Message, "limits.switches_per_run")) {
				t.Errorf("%s waits for %+v", d.Name, st.Next)
			}
		}
		r = schedule(w, all, func(p *engine.Parts) {
			p.Quota, p.Counts = w.store, ports.Counts{PerRun: ports.Bound{Most: 2, Key: "limits.switches_per_run"}}
		})
		r.after(3 * time.Hour)
		for _, d := range all {
			if st := w.state(d.Name); st.Phase != rotate.Draining {
				t.Errorf("%s is %s, next %+v", d.Name, st.Phase, st.Next)
			}
		}
	})
}
