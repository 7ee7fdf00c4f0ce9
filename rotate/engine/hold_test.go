package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// months lets time pass, with a run each day, and returns which selector signs then.
func (w *world) months(d wish, n int) string {
	w.Helper()
	for range 30 * n {
		w.pass(day)
		if res := w.engine().Advance(context.Background(), d); res.Err != nil {
			w.Fatal(res.Err)
		}
	}
	return w.hosts["mx1"].selector(d.Name)
}

// TestHold: no switch begins while a domain is on hold, by schedule or by hand, and everything else that keeps
// mail signed and verifiable is done (I1, I2). It ends when a person says so.
func TestHold(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	d.Policy.Schedule = "0 4 1 * *"
	w.settle(d)
	w.pass(8 * day)
	if res := w.order(d, rotate.Hold{}); res.Err != nil {
		t.Fatal(res.Err)
	}
	h := w.state(d.Name).OnHold
	if h == nil || h.By == "" || h.KeyID != "" {
		t.Fatalf("the hold is %+v", h)
	}
	if got := w.months(d, 4); got != "s1" {
		t.Errorf("on hold for months, and mx1 signs with %s", got)
	}
	if next := w.state(d.Name).Next; next == nil || next.Reason.Code != codes.OnHold ||
		!strings.Contains(next.Reason.Message, "dkimbot unhold --domain example.com") {
		t.Errorf("what comes next: %+v", next)
	}
	asked := d
	asked.Asked, asked.Named = true, true
	res := w.engine().Advance(t.Context(), asked)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != codes.OnHold || fault.KindOf(res.Err) != fault.Refused || w.state(d.Name).Failures > 0 {
		t.Errorf("asked for a rotation: %v", res.Err)
	}
	w.spoil("s1", "")
	w.hosts["mx1"].leave(d.Name)
	w.pass(time.Hour)
	w.engine().Advance(t.Context(), d)
	w.pass(time.Hour)
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || w.hosts["mx1"].selector(d.Name) != "s1" ||
		len(w.shown("s1._domainkey.example.com")) == 0 {
		t.Errorf("a record that vanished and a rebuilt host: %v, mx1 signs with %q", res.Err, w.hosts["mx1"].selector(d.Name))
	}
	if res := w.order(d, rotate.Compromised{}); res.Err != nil || w.hosts["mx1"].selector(d.Name) != "s2" {
		t.Errorf("a compromised key: %v, mx1 signs with %s", res.Err, w.hosts["mx1"].selector(d.Name))
	}
	w.settle(d)
	if got := w.months(d, 2); got != "s2" || w.state(d.Name).OnHold == nil {
		t.Errorf("on hold after an emergency, and mx1 signs with %s", got)
	}
	if res := w.order(d, rotate.Unhold{}); res.Err != nil {
		t.Fatal(res.Err)
	}
	if got := w.hosts["mx1"].selector(d.Name); got != "s1" {
		t.Errorf("the hold is over, a rotation is due, and mx1 signs with %s", got)
	}
	err := w.order(d, rotate.Unhold{}).Err
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.NotOnHold {
		t.Errorf("a second unhold: %v", err)
	}
}

// TestHoldDuringARotation: what is under way comes to its end.
func TestHoldDuringARotation(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	w.order(d, rotate.Hold{})
	w.settle(d)
	w.checkReady(d, "s2")
	if w.state(d.Name).OnHold == nil {
		t.Error("the hold is over")
	}
}

// TestScheduleAfterRollback: the schedule does not switch to the key that signers were sent back from; a person
// decides. It does when another key has taken its place.
func TestScheduleAfterRollback(t *testing.T) {
	start := func() (*world, wish) {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		d.Policy.Schedule = "0 4 1 * *"
		w.switched(d)
		if res := w.order(d, rotate.Rollback{}); res.Err != nil || res.State.Phase != rotate.Ready {
			t.Fatalf("%v; phase %s", res.Err, res.State.Phase)
		}
		if got := w.months(d, 3); got != "s1" {
			t.Fatalf("months after the rollback mx1 signs with %s", got)
		}
		return w, d
	}
	for title, end := range map[string]func(*world, wish){
		"unhold": func(w *world, d wish) { w.order(d, rotate.Unhold{}) },
		"asked": func(w *world, d wish) {
			d.Asked, d.Named = true, true
			if res := w.engine().Advance(context.Background(), d); res.Err != nil {
				t.Error(res.Err)
			}
		},
		"another key": func(w *world, d wish) {
			w.order(d, rotate.Compromised{Selectors: []string{"s2"}})
			w.settle(d)
			w.months(d, 2)
		},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := start()
			end(w, d)
			if got := w.hosts["mx1"].selector(d.Name); got != "s2" {
				t.Errorf("mx1 signs with %s", got)
			}
			w.settle(d)
			if title != "another key" && w.state(d.Name).OnHold != nil {
				t.Errorf("on hold still: %+v", w.state(d.Name).OnHold)
			}
		})
	}
	t.Run("hold, too", func(t *testing.T) {
		w, d := start()
		w.order(d, rotate.Hold{})
		d.Asked, d.Named = true, true
		if res := w.engine().Advance(t.Context(), d); fault.CodeOf(res.Err) != codes.OnHold {
			t.Errorf("asked for a rotation: %v", res.Err)
		}
	})
}
