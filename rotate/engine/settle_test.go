package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestPatience: shorter waits are waited out, others end the run.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		most  time.Duration
		phase rotate.Phase
		waits int
	}{
		{0, rotate.Bootstrapping, 0},
		{negative - time.Minute, rotate.Bootstrapping, 0},
		{negative, rotate.Ready, 1},
		{365 * day, rotate.Ready, 1}, // the next rotation is not waited for: nobody asked for it
	} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		waits := 0
		res := w.engine().Settle(context.Background(), d, engine.Patience{Most: tt.most},
			func(domain string, next rotate.Next) {
				if waits++; domain != d.Name || next.Action != "activate" {
					t.Errorf("waits for %+v of %s", next, domain)
				}
			})
		if res.Err != nil || res.State.Phase != tt.phase || waits != tt.waits {
			t.Errorf("with patience for %s: %v, phase %s, %d waits; want %s, %d", tt.most, res.Err, res.State.Phase, waits,
				tt.phase, tt.waits)
		}
	}
}

// TestSettleGivesUp: trying again ends, also when each single wait is short enough.
func TestSettleGivesUp(t *testing.T) {
	tests := map[string]struct {
		err   error
		retry bool
		tries int
	}{
		"transient, to be tried again": {fault.Temporary("look", errors.New("timed out"), ""), true, 7},
		"transient":                    {fault.Temporary("look", errors.New("timed out"), ""), false, 1},
		"lasting":                      {fault.Lasting("look", errors.New("no such zone"), ""), true, 1},
		"refused":                      {fault.Refuse("foreign-record", "look", ""), true, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			tries := 0
			parts := w.engine().Parts
			parts.Look = blind{tt.err}
			parts.Notify = func(e rotate.Event) {
				if e.Outcome != "begun" {
					tries++
				}
			}
			began := w.Now()
			res := newEngine(parts).Settle(context.Background(), d, engine.Patience{Most: time.Hour, Retry: tt.retry}, nil)
			if res.Err == nil || tries != tt.tries || w.Now().Sub(began) >= time.Hour {
				t.Errorf("%v; %d tries in %s, want %d in less than an hour", res.Err, tries, w.Now().Sub(began), tt.tries)
			}
		})
	}
}

type blind struct{ err error }

func (b blind) Look(context.Context, dkim.Name) (rotate.Sight, error) { return rotate.Sight{}, b.err }

// TestSettleInterrupted: a wait ends with ctx, and nothing is lost.
func TestSettleInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.bubble = true
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		began := time.Now()
		res := w.engine().Settle(ctx, d, forever, nil)
		if time.Since(began) != time.Minute || res.State.Phase != rotate.Bootstrapping || w.state(d.Name).Failures > 0 {
			t.Errorf("%v after %s, phase %s", res.Err, time.Since(began), res.State.Phase)
		}
		w.settle(d)
		w.checkReady(d, "s1")
	})
}

// TestAskedIsOneRotation: what is asked for is one rotation, of a domain that is
// ready; what has to be repaired first does not make it forgotten.
func TestAskedIsOneRotation(t *testing.T) {
	tests := map[string]struct {
		reach  func(w *world, d wish)
		active string
		phase  rotate.Phase
	}{
		"new": {func(w *world, d wish) {}, "s1", rotate.Ready},
		"bootstrapping, last step": {func(w *world,
			d wish) {
			w.engine().Advance(context.Background(), d)
			w.pass(negative)
		}, "s1", rotate.Ready},
		"ready": {func(w *world, d wish) { w.settle(d) }, "s2", rotate.Draining},
		"ready, active vanished": {func(w *world, d wish) { w.settle(d); w.pass(day); w.spoil("s1", "") }, "s2",
			rotate.Draining},
		"ready, standby vanished": {func(w *world, d wish) { w.settle(d); w.pass(day); w.spoil("s2", "") }, "s2",
			rotate.Draining},
		"ready, a signer is new": {func(w *world, d wish) { w.settle(d); w.addHost("mx1") }, "s2", rotate.Draining},
		"switching": {func(w *world, d wish) { w.settle(d); w.begin(d, "activate mx1") }, "s2",
			rotate.Draining},
		"draining":                {func(w *world, d wish) { w.drained(d); w.pass(-7 * day) }, "s2", rotate.Draining},
		"drained":                 {func(w *world, d wish) { w.drained(d) }, "s2", rotate.Ready},
		"replacing":               {func(w *world, d wish) { w.drained(d); w.begin(d, "publish s1") }, "s2", rotate.Ready},
		"ready, standby settling": {func(w *world, d wish) { w.drained(d); w.settle(d) }, "s2", rotate.Ready},
		"ready, standby about done": {func(w *world, d wish) { w.drained(d); w.settle(d); w.pass(7*day + 50*time.Minute) },
			"s1", rotate.Draining},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			tt.reach(w, d)
			d.Asked = true
			res := w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
			if res.Err != nil || res.State.Active != tt.active || res.State.Phase != tt.phase {
				t.Errorf("%v; %s on %s, want %s on %s; next %+v", res.Err, res.State.Phase, res.State.Active, tt.phase, tt.active,
					res.State.Next)
			}
			d.Asked = false
			w.settle(d)
			w.checkReady(d, "")
		})
	}
}

// begin asks for a rotation, or carries one on, that fails at an operation.
func (w *world) begin(d wish, op string) {
	d.Asked = true
	w.trouble = failing(op)
	w.engine().Advance(context.Background(), d)
	w.trouble = nil
}

// TestNoWaits: laboratories may set every wait to nothing; the signer's lag and
// resolvers' memories remain.
func TestNoWaits(t *testing.T) {
	for _, lag := range []time.Duration{0, hostLag} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.hosts["mx1"].lag = lag
		d.Policy.Drain, d.Policy.Settle, d.Policy.Schedule = 0, 0, "* * * * *"
		w.settle(d)
		for i := range 6 {
			d.Asked = true
			res := w.engine().Settle(context.Background(), d, engine.Patience{Most: 2 * time.Hour}, nil)
			if uses := w.hosts["mx1"].count(d.Name); res.Err != nil || res.State.Phase != rotate.Ready || uses != i+2 {
				t.Fatalf("rotation %d with a lag of %s: %v, phase %s, %d keys were used, next %+v", i, lag, res.Err,
					res.State.Phase, uses, res.State.Next)
			}
		}
	}
}

// TestKeysAreMadeWhileOthersWait: as many keys are made at once as there are
// processors, no more, and meanwhile other domains wait for the network.
func TestKeysAreMadeWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const domains = 200
		w := newWorld(t, "mx1")
		w.bubble = true
		var mu sync.Mutex
		var making, most, waiting, beside, made int
		w.pause = func(op string) {
			if !strings.HasPrefix(op, "publish") {
				return
			}
			mu.Lock()
			waiting++
			mu.Unlock()
			time.Sleep(3 * time.Second)
			mu.Lock()
			waiting--
			mu.Unlock()
		}
		parts := w.engine().Parts
		parts.Workers = 64
		parts.Generate = func(dkim.Algorithm) (*dkim.PrivateKey, error) {
			mu.Lock()
			making++
			made++
			most = max(most, making)
			if waiting > 0 {
				beside++
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			making--
			mu.Unlock()
			return dkim.Generate(dkim.Ed25519)
		}
		began, results := time.Now(), 0
		newEngine(parts).SettleAll(t.Context(), fleet(domains, "mx1"), engine.Patience{Most: time.Hour, Retry: true}, nil,
			func(r engine.Result) {
				if results++; r.Err != nil || r.State.Phase != rotate.Ready {
					t.Errorf("%s: %v, phase %s", r.Domain, r.Err, r.State.Phase)
				}
			})
		if results != domains || made != 2*domains || most != runtime.GOMAXPROCS(0) {
			t.Errorf("%d results, %d keys, at most %d at once; want %d, %d, %d", results, made, most, domains, 2*domains,
				runtime.GOMAXPROCS(0))
		}
		if beside < made*9/10 {
			t.Errorf("only %d of %d keys were made while another domain waited for the network", beside, made)
		}
		t.Logf("%d keys of a second each on %d processors took %s", made, runtime.GOMAXPROCS(0), time.Since(began))
	})
}

// TestWaitingTakesNoPlace: domains whose servers lag for ever do not keep others
// from their turn.
func TestWaitingTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "mx1")
		w.bubble = true
		parts := w.engine().Parts
		parts.Workers = 1
		parts.Look = lagsFor{parts.Look, "d0.example"}
		e, domains := newEngine(parts), fleet(3, "mx1")
		var wg sync.WaitGroup
		for i, d := range domains {
			if i > 0 {
				time.Sleep(time.Millisecond)
			}
			wg.Go(func() { e.Advance(t.Context(), d) })
		}
		time.Sleep(10 * time.Second)
		for _, d := range domains[1:] {
			if st := w.state(d.Name); st.Next == nil || st.Next.Action != "activate" {
				t.Errorf("%s did not get its turn while another domain waited: %+v", d.Name, st.Next)
			}
		}
		wg.Wait()
	})
}

// lagsFor is a zone of which one server never shows anything.
type lagsFor struct {
	ports.Looker
	domain string
}

func (l lagsFor) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	s, err := l.Looker.Look(ctx, name)
	if name.Domain == l.domain {
		s.Complete, s.Lagging = false, []string{"ns9 lags"}
	}
	return s, err
}

// TestOneFailingOfMany: the results of all come, each as it is.
func TestOneFailingOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(20, "mx1")
		w.bubble = true
		domains[7].Provider = "nowhere"
		failed := map[string]error{}
		w.engine().SettleAll(t.Context(), domains, engine.Patience{Most: time.Hour}, nil,
			func(r engine.Result) { failed[r.Domain] = r.Err })
		for i, d := range domains {
			if err := failed[d.Name]; (err != nil) != (i == 7) {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
		if len(failed) != len(domains) {
			t.Error(fmt.Sprint(len(failed), " results"))
		}
	})
}
