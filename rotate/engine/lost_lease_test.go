package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// unwritten is a store that takes no state while full, as when the disk is full.
type unwritten struct {
	ports.Store
	full *atomic.Bool
}

func (u unwritten) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	if u.full.Load() {
		return 0, fault.Temporary("save the state of "+st.Domain, errors.New("the disk is full"), "try again")
	}
	return u.Store.Save(ctx, l, now, st, events...)
}

// LookAgain is called when the late effect is reported: there is room again.
func (u unwritten) LookAgain(ctx context.Context, domain string, at, until time.Time, events ...rotate.Event) error {
	u.full.Store(false)
	return u.Store.LookAgain(ctx, domain, at, until, events...)
}

// TestLateEffectUnsaved: an effect that comes after its process has lost the lease is reported, and the domain is
// looked at again, also when the process fails for another reason at the same time (I8).
//
// Where the loss is noticed at the same instant and before the write, the disk is not known to be full: so it is said in
// most of some runs, and the rest of it in each.
func TestLateEffectUnsaved(t *testing.T) {
	said := 0
	for range 8 {
		if lateAndUnsaved(t) {
			said++
		}
	}
	if said < 4 {
		t.Errorf("that the disk is full was said in %d of 8 runs", said)
	}
}

// lateAndUnsaved plays it once, and reports whether the first process said that the disk is full.
func lateAndUnsaved(t *testing.T) (said bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.bubble = true
		second := w.start("second", nil)
		second.Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
		time.Sleep(8 * day)

		parts, full := w.start("first", nil).Parts, new(atomic.Bool)
		parts.Store = unwritten{parts.Store, full}
		first := newEngine(parts)
		w.outlaw = "first"
		w.asleep("first", "activate mx1", 9*time.Minute)
		asleep := w.pause
		w.pause = func(op string) {
			asleep(op)
			if op == "activate mx1" { // from here on, whatever the other process does meanwhile
				full.Store(true)
			}
		}
		var ended atomic.Bool
		go func() {
			defer ended.Store(true)
			asked := d
			asked.Asked = true
			res := first.Advance(t.Context(), asked)
			if fault.CodeOf(res.Err) != codes.LeaseLost {
				t.Errorf("I8: the first process got %v", res.Err)
				return
			}
			said = strings.Contains(res.Err.Error(), "the disk is full")
		}()
		time.Sleep(time.Second)
		back := d
		back.Instruction, back.Named = rotate.Rollback{}, true
		if res := second.Advance(t.Context(), back); res.Err != nil {
			t.Fatalf("rolled back: %v", res.Err)
		}
		time.Sleep(15 * time.Minute)
		if !ended.Load() {
			t.Fatal("the first process is still at work")
		}
		if !w.happened(d, "it may have come after the lease had passed") {
			t.Error("I8: the late effect is not reported")
		}
		if looks, err := w.store.TakeLooks(t.Context(), time.Now(), []string{d.Name}); err != nil || len(looks) == 0 {
			t.Errorf("I8: the domain is not looked at again: %v", err)
		}
	})
	return said
}

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
