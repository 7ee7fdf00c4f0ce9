package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// signsWith fails the test where a host signs with another selector.
func (w *world) signsWith(d wish, selector string) {
	w.Helper()
	for name, h := range w.hosts {
		if got := h.selector(d.Name); got != selector {
			w.Errorf("%s signs with %q, want %s", name, got, selector)
		}
	}
}

// TestForsaken: somebody else's record stands in the place of the active one. Signers leave it by themselves for the
// standby, whatever holds rotations back, and the record is left as it is. A hold keeps them, and says so (I2, I6).
func TestForsaken(t *testing.T) {
	year := calendar.Period{Schedule: "0 0 1 1 *", Duration: 366 * day, Timezone: "UTC", Key: "limits.freezes[0]"}
	for _, held := range []bool{false, true} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.pass(9 * day)
		if held {
			w.order(d, rotate.Hold{})
		}
		own := w.state(d.Name).Selectors["s1"].Key.Record
		w.spoil("s1", plantest.ForeignRecord)
		parts := w.engine().Parts
		parts.Consent = func(context.Context, rotate.Domain, rotate.Step) error { return errors.New("not today") }
		d.Limits = rotate.Limits{PlanOnly: true, PlanOnlyKey: "limits.plan_only", Freezes: []calendar.Period{year}}
		d.Policy.Selectors = [2]string{"a", "b"} // the two that it has are looked after all the same
		res := newEngine(parts).Advance(t.Context(), d)
		if held {
			if plantest.Findings(res.State.Drift) != "mail-fails s1!, record-foreign s1!" || res.State.Phase != rotate.Ready {
				t.Errorf("on hold: %s, phase %s", plantest.Findings(res.State.Drift), res.State.Phase)
			}
			w.signsWith(d, "s1")
			w.pass(time.Hour)
			res = w.order(d, rotate.Unhold{})
		}
		if fault.CodeOf(res.Err) != codes.SelectorsChanged || res.State.Phase != rotate.Draining {
			t.Errorf("held %t: %v, phase %s", held, res.Err, res.State.Phase)
		}
		w.signsWith(d, "s2")
		if began := w.events(d, rotate.Drain); len(began) != 1 || began[0].Code != codes.RecordForeign {
			t.Errorf("held %t: nothing of s1's stays published, and the history says: %+v", held, began)
		}
		d.Policy.Selectors = [2]string{"s1", "s2"}
		w.pass(30 * day)
		if res = w.order(d, nil); fault.CodeOf(res.Err) != codes.ForeignRecord || res.State.Phase != rotate.Draining ||
			plantest.Findings(res.State.Drift) != "record-foreign s1!" {
			t.Errorf("while it is there: %v, phase %s, %s", res.Err, res.State.Phase, plantest.Findings(res.State.Drift))
		}
		w.spoil("s1", own)
		w.pass(time.Hour)
		d.Limits = rotate.Limits{}
		if res = w.settle(d); res.Err != nil || res.State.Phase != rotate.Ready {
			t.Errorf("when it was removed: %v, phase %s", res.Err, res.State.Phase)
		}
	}
}

// TestForsakenForAMoment: a record of somebody else that is gone at the look directly before the switch moves no signer.
func TestForsakenForAMoment(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(9 * day)
	own, looks := w.state(d.Name).Selectors["s1"].Key.Record, 0
	w.shows = func(s *rotate.Sight) {
		if slices.Contains(s.Values, own) {
			if looks++; looks == 1 {
				s.Values = []string{plantest.ForeignRecord}
			}
		}
	}
	if res := w.order(d, nil); res.Err != nil || res.State.Phase != rotate.Ready || looks < 2 {
		t.Errorf("%v, phase %s, %d looks", res.Err, res.State.Phase, looks)
	}
	w.signsWith(d, "s1")
}

// TestForsakenTarget: while signers are being switched somebody else's record takes the place of the one that the switch
// leads to. The signer that has switched goes back, and follows the others when the record is gone (I2).
func TestForsakenTarget(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(9 * day)
	w.trouble = failing("activate mx2")
	d.Asked = true
	w.engine().Advance(t.Context(), d)
	d.Asked, w.trouble = false, nil
	own := w.state(d.Name).Selectors["s2"].Key.Record
	w.spoil("s2", plantest.ForeignRecord)
	w.pass(time.Hour)
	if res := w.order(d, nil); fault.CodeOf(res.Err) != codes.ForeignRecord || res.State.Phase != rotate.Switching {
		t.Errorf("%v, phase %s", res.Err, res.State.Phase)
	}
	w.signsWith(d, "s1")
	w.spoil("s2", own)
	for range 16 { // settle, and drain
		w.pass(day)
		w.order(d, nil)
	}
	w.signsWith(d, "s2")
	if st := w.state(d.Name); st.Phase != rotate.Ready || st.Active != "s2" {
		t.Errorf("phase %s, active %s: %s", st.Phase, st.Active, st.LastError)
	}
}

// TestForsakenForOneThatIsFresh: somebody else's record takes the place of the active one just when the other one was
// replaced, and receivers may keep an older key of it. All mail fails meanwhile, so only resolvers are waited for, and
// the next try comes when that wait is over (I2).
func TestForsakenForOneThatIsFresh(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.switched(d)
	w.pass(8 * day)
	res := w.order(d, nil)
	if res.State.Phase != rotate.Ready || res.State.Active != "s2" {
		t.Fatalf("phase %s, active %s", res.State.Phase, res.State.Active)
	}
	w.spoil("s2", plantest.ForeignRecord)
	began, known := w.now, w.state(d.Name).Selector("s1").Key.Known(w.now)
	for range 600 {
		if res = w.order(d, nil); w.hosts["mx1"].selector(d.Name) == "s1" {
			break
		}
		w.pass(w.state(d.Name).NextTry.Sub(w.now))
	}
	w.signsWith(d, "s1")
	if late := w.now.Sub(known); late > time.Minute {
		t.Errorf("signers left %s after resolvers knew the other one, %s after the record came", late, w.now.Sub(began))
	}
}

// TestForsakenSaysWhen: where no signer could go yet, nobody is told that they wait for resolvers which know the record.
func TestForsakenSaysWhen(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(9 * day)
	w.spoil("s1", plantest.ForeignRecord)
	w.trouble = failing("activate mx1", "activate mx2")
	res := w.engine().Advance(t.Context(), d)
	if len(res.State.Drift) == 0 || res.State.Drift[0].Repair != "signers go to s2 by themselves" {
		t.Errorf("%v; %+v", res.Err, res.State.Drift)
	}
}
