package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestHalfABeginning: a rotation that was asked for has begun as soon as one signer was switched, also where another
// one could not be: whoever asks again asks for the next one.
func TestHalfABeginning(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.trouble = failing("activate mx2")
	res := w.engine().Advance(t.Context(), asked(d))
	if res.Err == nil || res.State.Phase != rotate.Switching || res.YetToBegin() {
		t.Errorf("%v; it is %s; yet to begin: %t", res.Err, res.State.Phase, res.YetToBegin())
	}
}

// TestFailuresAreHeardOnce: whoever hears of failures hears of each once, with its cause: of steps that failed, of
// what a rule refused a person, and of a domain that could not be worked on; and not of work that was told to end.
func TestFailuresAreHeardOnce(t *testing.T) {
	for title, tt := range map[string]struct {
		prepare func(w *world, d *wish, stop func())
		want    []codes.Outcome
	}{
		"a step fails": {func(w *world, _ *wish, _ func()) { w.trouble = failing("activate mx1") },
			[]codes.Outcome{codes.OutcomeFailed}},
		"a wish is refused": {func(w *world, d *wish, _ func()) {
			w.order(*d, rotate.Hold{})
			d.Named = true
		}, []codes.Outcome{codes.OutcomeRefused}},
		"the state can't be read": {func(w *world, _ *wish, _ func()) { w.trouble = failing("load") },
			[]codes.Outcome{codes.OutcomeFailed}},
		"told to end": {func(w *world, _ *wish, stop func()) {
			w.trouble = func(op string) trouble {
				if op == "ask mx1" {
					stop()
				}
				return fine
			}
		}, nil},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), asked(wanted("mx1"))
			w.settle(wanted("mx1"))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tt.prepare(w, &d, cancel)
			var heard []codes.Outcome
			parts := w.engine().Parts
			parts.Failed = func(e rotate.Event, why error) {
				if heard = append(heard, e.Outcome); why == nil || e.Message != fault.Text(why) || e.Domain != d.Name {
					t.Errorf("%+v, %v", e, why)
				}
			}
			res := newEngine(parts).Advance(ctx, d)
			if !slices.Equal(heard, tt.want) || tt.want == nil && !errors.Is(res.Err, context.Canceled) {
				t.Errorf("heard %q, want %q; it ended with %v", heard, tt.want, res.Err)
			}
		})
	}
}

// TestLateEffectIsConcluded: a run whose effect came too late says where the domain stands after that was put right,
// and what was done for it; where it can't be put right now, what was known of the domain before (I8, true words).
func TestLateEffectIsConcluded(t *testing.T) {
	for title, tt := range map[string]struct {
		fails string
		back  bool
	}{
		"put right":               {"", true},
		"the state can't be read": {"load", false},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				w.bubble = true
				second := w.start("second", nil)
				second.Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
				time.Sleep(8 * day)
				w.outlaw = "first"
				w.asleep("first", "activate mx1", 9*time.Minute)
				var res engine.Result
				var all sync.WaitGroup
				all.Go(func() { res = w.start("first", nil).Advance(t.Context(), asked(d)) })
				time.Sleep(time.Second)
				back := d
				back.Instruction, back.Named = rotate.Rollback{}, true
				if res := second.Advance(t.Context(), back); res.Err != nil {
					t.Fatal(res.Err)
				}
				w.mu.Lock()
				w.trouble = failing(tt.fails)
				w.mu.Unlock()
				all.Wait()
				if fault.CodeOf(res.Err) != codes.LeaseLost || res.State.Domain != d.Name ||
					tt.back && (res.State.Phase != rotate.Ready || len(res.Plan.Steps) > 0) {
					t.Errorf("I8: %v; %q is %s, with %d steps to come", res.Err, res.State.Domain, res.State.Phase, len(res.Plan.Steps))
				}
				if brought := slices.ContainsFunc(res.Done, func(e rotate.Event) bool {
					return e.Kind == rotate.Activate && e.Selector == "s1"
				}); brought != tt.back || (w.hosts["mx1"].selector(d.Name) == "s1") != tt.back {
					t.Errorf("I8: it says that mx1 was brought back: %t; it signs with %s", brought, w.hosts["mx1"].selector(d.Name))
				}
			})
		})
	}
}
