package engine_test

import (
	"context"
	"errors"
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
)

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
	w.asleep("first", "activate mx1", 9*time.Minute+time.Millisecond)
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

// TestLateEffectUnsaved: an effect that comes after its process has lost the lease is reported, and the domain is
// looked at again, also when the process fails for another reason at the same time (I8).
//
// The first process wakes a moment after its lease was last looked at: at the same instant it would be chance whether the
// loss or the full disk comes first.
func TestLateEffectUnsaved(t *testing.T) {
	said := 0
	for range 8 {
		if lateAndUnsaved(t) {
			said++
		}
	}
	if said < 8 {
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
		w.asleep("first", "activate mx1", 9*time.Minute+time.Millisecond)
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

// LookAgain is called when the late effect is reported: there is room again.
func (u unwritten) LookAgain(ctx context.Context, domain string, at, until time.Time, events ...rotate.Event) error {
	u.full.Store(false)
	return u.Store.LookAgain(ctx, domain, at, until, events...)
}
