package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/scheduler"
	"github.com/google/go-cmp/cmp"
)

// fleet returns n domains like wanted.
func fleet(n int, signers ...string) []wish {
	out := make([]wish, n)
	for i := range out {
		out[i] = wanted(signers...)
		out[i].Name, out[i].Policy.Schedule = fmt.Sprintf("d%d.example", i), "0 4 15 * *"
	}
	return out
}

// running is a scheduler at work in a bubble.
type running struct {
	*world
	log   *bytes.Buffer
	stop  context.CancelFunc
	ended chan error
}

// schedule runs a scheduler for the domains with what change makes of the parts.
func schedule(w *world, domains []wish, change func(*engine.Parts)) *running {
	if !w.bubble { // an earlier process may still read it
		w.bubble = true
	}
	parts := w.engine().Parts
	if change != nil {
		change(&parts)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{world: w, log: &bytes.Buffer{}, stop: stop, ended: make(chan error, 1)}
	s := scheduler.Scheduler{Engine: engine.NewEngine(parts), Queue: w.store, Domains: configured(domains),
		Log: slog.New(slog.NewTextHandler(r.log, nil))}
	go func() { r.ended <- s.Run(ctx) }()
	return r
}

// after lets time pass, stops the scheduler and waits until it has ended.
func (r *running) after(d time.Duration) {
	time.Sleep(d)
	r.stop()
	if err := <-r.ended; err != nil {
		r.Errorf("the scheduler ended with %v", err)
	}
}

// TestScheduler: one domain that fails and one that takes long hold up no other;
// what fails is tried again ever less often.
func TestScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(30, "mx1")
		domains[3].Provider = "nowhere"
		var slow atomic.Bool
		w.pause = func(op string) {
			if op == "publish s1" && slow.CompareAndSwap(false, true) {
				time.Sleep(4 * time.Minute)
			}
		}
		var attempts atomic.Int32
		r := schedule(w, domains, func(p *engine.Parts) {
			p.Notify = func(e rotate.Event) {
				if e.Domain == domains[3].Name && e.Outcome == "failed" {
					attempts.Add(1)
				}
			}
		})
		time.Sleep(2 * negative)
		late := 0
		for i, d := range domains {
			if st := w.state(d.Name); i != 3 && st.Phase != rotate.Ready {
				late++
			}
		}
		if late > 1 {
			t.Errorf("%d domains are not ready; want only the slow one late", late)
		}
		r.after(4 * time.Hour)
		for i, d := range domains {
			if i != 3 {
				w.checkReady(d, "s1")
			}
		}
		if n := attempts.Load(); n < 7 || n > 11 {
			t.Errorf("the failing domain was tried %d times in four hours; want about ten", n)
		}
		if !strings.Contains(r.log.String(), "nowhere") {
			t.Errorf("the log does not say why: %s", r.log)
		}
	})
}

// TestSchedulerRotates: every domain rotates each month, and no mail fails.
func TestSchedulerRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1", "mx2"), fleet(3, "mx1", "mx2")
		for i := range domains {
			domains[i].Policy.Splay = 6 * time.Hour
		}
		r := schedule(w, domains, nil)
		r.after(65 * day)
		for _, d := range domains {
			w.checkReady(d, "")
			if uses := w.hosts["mx1"].count(d.Name); uses != 3 {
				t.Errorf("%s signed with %d keys, want 3", d.Name, uses)
			}
		}
	})
}

func (h *host) count(domain string) int {
	n := 0
	for _, u := range h.uses {
		if u.ref.Domain == domain {
			n++
		}
	}
	return n
}

// TestSchedulerStops: when ctx is done the step in progress is finished and noted, nothing else begins.
func TestSchedulerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(10, "mx1")
		w.pause = func(op string) {
			if op == "publish s1" {
				time.Sleep(time.Minute)
			}
		}
		r := schedule(w, domains, nil)
		r.after(30 * time.Second)
		begun := 0
		for _, d := range domains {
			st := w.state(d.Name)
			if st.Phase == rotate.New {
				continue
			}
			begun++
			if st.Intent != nil || st.Failures > 0 || st.Selectors["s1"].Key.PublishedAt.IsZero() ||
				st.Selectors["s2"].Key != nil {
				t.Errorf("I7: %s was left with %+v", d.Name, st)
			}
		}
		if begun != 4 {
			t.Errorf("%d domains were in hand, want as many as there are workers", begun)
		}
	})
}

// TestSchedulerForgetsNoDomain: a new domain whose first attempt could not even
// be noted is not in the queue, and tried again all the same.
func TestSchedulerForgetsNoDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(2, "mx1")
		began := time.Now()
		w.trouble = func(op string) trouble {
			if op == "acquire" && time.Since(began) < time.Minute {
				return refused
			}
			return fine
		}
		schedule(w, domains, nil).after(time.Hour)
		for _, d := range domains {
			w.checkReady(d, "s1")
		}
	})
}

// TestSchedulerDoesNotHammer: a domain whose failures can't be noted, because the
// state can't be written, is backed off from as others are.
func TestSchedulerDoesNotHammer(t *testing.T) {
	for _, op := range []string{"save", "load", "acquire"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, domains := newWorld(t, "mx1"), fleet(2, "mx1")
				schedule(w, domains, nil).after(time.Hour)
				w.spoilAt("s2._domainkey."+domains[0].Name, "") // of the standby: no mail fails
				var tries atomic.Int32
				w.trouble = func(o string) trouble {
					if o == op {
						tries.Add(1)
						return refused
					}
					return fine
				}
				schedule(w, domains, nil).after(12 * time.Hour)
				if n := tries.Load(); n < 4 || n > 200 {
					t.Errorf("%d tries in twelve hours", n)
				}
			})
		})
	}
}

// TestSchedulerLooksAfterIdleDomains: check often, act when due. A record that is
// gone is not found out only when the next rotation is due.
func TestSchedulerLooksAfterIdleDomains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(5, "mx1")
		schedule(w, domains, nil).after(time.Hour)
		for _, d := range domains {
			w.spoilAt("s1._domainkey."+d.Name, "")
		}
		schedule(w, domains, nil).after(90 * time.Minute)
		for _, d := range domains {
			if got := w.shown("s1._domainkey." + d.Name); got[0] == "" {
				t.Errorf("the record of %s is gone and nobody noticed", d.Name)
			}
		}
	})
}

// TestSchedulerSurvives: neither a queue that fails for a while nor a part that panics ends it.
func TestSchedulerSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(5, "mx1")
		var panics atomic.Int32
		r := schedule(w, domains, func(p *engine.Parts) {
			p.SelfTest = func(context.Context, dkim.SigningKey, string) error {
				if panics.Add(1) == 3 {
					panic("a defect of the self test")
				}
				return nil
			}
		})
		r.after(2 * time.Hour)
		for _, d := range domains {
			w.checkReady(d, "s1")
		}
		if !strings.Contains(r.log.String(), "a defect of the self test") {
			t.Errorf("the log says nothing of the defect: %s", r.log)
		}
	})
}

// TestSchedulerQueueFails: that the state can't be read is told, and tried again.
func TestSchedulerQueueFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, domains := newWorld(t, "mx1"), fleet(1, "mx1")
		w.bubble = true
		var log bytes.Buffer
		q := &flaky{WorkQueue: w.store, calls: 3}
		s := scheduler.Scheduler{Engine: w.engine().Engine, Queue: q, Domains: configured(domains),
			Log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		w.checkReady(domains[0], "s1")
		if !strings.Contains(log.String(), "the disk is gone") {
			t.Errorf("the log says nothing: %s", &log)
		}
		q.calls = 0
		if err := s.Run(t.Context()); err == nil {
			t.Error("a daemon that can't read its state from the start must end")
		}
	})
}

// flaky is a queue that fails after some calls, for three calls.
type flaky struct {
	ports.WorkQueue
	calls int
}

func (q *flaky) Due(ctx context.Context, now time.Time) ([]string, error) {
	if q.calls--; q.calls < 0 && q.calls > -4 {
		return nil, errors.New("the disk is gone")
	}
	return q.WorkQueue.Due(ctx, now)
}

// TestPending: what is new, what changed, what is due, and what has its turn to be
// looked after; nothing else.
func TestPending(t *testing.T) {
	w, domains := newWorld(t, "mx1"), fleet(4, "mx1")
	pending := func(now time.Time) (names []string) {
		t.Helper()
		seen, err := scheduler.Pending(context.Background(), w.store, now, configured(domains), rotate.Request{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := scheduler.TakePending(context.Background(), w.store, now, configured(domains), rotate.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(seen, out); diff != "" {
			t.Errorf("who only asks sees otherwise than who takes: %s", diff)
		}
		for _, d := range out {
			names = append(names, d.Name)
		}
		return names
	}
	check := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s", what, cmp.Diff(want, got))
		}
	}
	w.settle(domains[0])
	w.settle(domains[2])
	check("new", pending(w.Now()), "d1.example", "d3.example")
	w.settle(domains[1])
	w.settle(domains[3])
	w.pass(3 * calendar.LookEvery / 2)
	check("looks", pending(w.Now()), "d0.example", "d1.example", "d2.example", "d3.example")
	check("none", pending(w.Now()))
	domains[2].Policy.TTL = 2 * time.Hour
	check("changed", pending(w.Now()), "d2.example")
	w.settle(domains[2])
	check("acted upon", pending(w.Now()))
	domains[0].Asked = true
	check("asked is no change", pending(w.Now()))
	check("due", pending(time.Date(2026, 1, 15, 4, 0, 0, 0, time.UTC)), "d0.example", "d1.example",
		"d2.example", "d3.example")
	check("set back", pending(w.Now()), "d0.example", "d1.example", "d2.example", "d3.example")
	w.trouble = failing("look s1")
	domains[1].Policy.TTL = 2 * time.Hour
	w.engine().Advance(context.Background(), domains[1])
	w.trouble = nil
	check("backed off", pending(w.Now()))
	w.pass(hasten.Backoff(1))
	check("to be tried again", pending(w.Now()), "d1.example")
}

// TestSchedulerEndsAtOnce: a daemon that is stopped just after its start ends well.
func TestSchedulerEndsAtOnce(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := scheduler.Scheduler{Engine: w.engine().Engine, Queue: w.store, Domains: []rotate.Domain{d.Domain},
		Log: slog.New(slog.DiscardHandler)}
	if err := s.Run(ctx); err != nil {
		t.Errorf("%v, want a clean end", err)
	}
}
