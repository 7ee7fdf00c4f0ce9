package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// saidAt returns the code of what the state says of a selector's record, "" for nothing.
func saidAt(st rotate.State, selector string) (code codes.Code) {
	for _, f := range st.Drift {
		if f.Selector == selector {
			code = f.Code
		}
	}
	return code
}

// TestFormerRecordServesMailOnItsWay: after a move to other selectors the records of before are published again while
// mail on its way may need them, also where the private key is lost; what somebody else puts in their place stays, and
// is said (I2, I6). After the drain nothing is published again.
func TestFormerRecordServesMailOnItsWay(t *testing.T) {
	w, before, d, _ := begunMove(t, 0)
	own := map[string]string{}
	for s, sel := range w.state(d.Name).Earlier {
		own[s] = sel.Key.Record
	}
	for s, record := range own {
		w.pass(time.Hour)
		w.spoil(s, "")
		w.pass(time.Minute)
		w.soon(d)
		if shown := w.shown(nameAt(s)); !slices.Equal(shown, []string{record, record}) {
			t.Errorf("%s shows %q", s, shown)
		}
	}
	for title, theirs := range map[string]string{"somebody else's": plantest.ForeignRecord} {
		w.spoil("s1", theirs)
		w.pass(time.Minute)
		w.soon(d)
		if shown := w.shown(nameAt("s1")); shown[0] != theirs || saidAt(w.state(d.Name), "s1") != codes.RecordForeign {
			t.Errorf("%s: s1 shows %q; %+v", title, shown, w.state(d.Name).Drift)
		}
		w.spoil("s1", "")
		w.pass(time.Minute)
		w.soon(d)
		if shown := w.shown(nameAt("s1")); shown[0] != own["s1"] || len(w.state(d.Name).Drift) > 0 {
			t.Errorf("%s is removed: s1 shows %q; %+v", title, shown, w.state(d.Name).Drift)
		}
	}
	w.pass(before.Policy.Drain + rotate.Grace)
	w.spoil("s1", "")
	w.pass(time.Minute)
	for range 2 {
		w.soon(d)
	}
	if shown := w.shown(nameAt("s1")); shown[0] != "" || w.keptAt(d, "s1") {
		t.Errorf("after the drain s1 shows %q, its private key is kept: %t", shown, w.keptAt(d, "s1"))
	}
}

// TestFormerRecordAfterAWayBack: a move that is undone owes its mail as much: the new selectors' records are published
// again (I2).
func TestFormerRecordAfterAWayBack(t *testing.T) {
	w, before, d, _ := begunMove(t, 0)
	key := w.state(d.Name).Selectors["a"].Key.Record
	w.order(d, rotate.Rollback{})
	for range 3 {
		w.soon(before)
	}
	w.spoil("a", "")
	w.pass(time.Minute)
	w.soon(before)
	if st := w.state(d.Name); st.Active == "a" || w.shown(nameAt("a"))[0] != key {
		t.Errorf("%s signs; a shows %q", st.Active, w.shown(nameAt("a")))
	}
}

// TestFormerRecordAtOneAccount: a record of before that one of two DNS accounts does not show is published again there,
// also where the other one shows somebody else's, which stays (I2, I6).
func TestFormerRecordAtOneAccount(t *testing.T) {
	for _, theirs := range []string{"", plantest.ForeignRecord} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		second := w.onBoth(t, &d)
		d = elsewhere(d)
		work := func(o rotate.Instruction) rotate.State {
			d.Instruction = o
			res := w.both(second).Advance(t.Context(), d)
			w.pass(2 * time.Hour)
			return res.State
		}
		work(rotate.ChangeSelectors{})
		for range 3 {
			work(nil)
		}
		st := w.state(d.Name)
		own := st.Earlier["s1"].Key.Record
		delete(second.shown, nameAt("s1"))
		if theirs != "" {
			w.spoil("s1", theirs)
		}
		st = work(nil)
		if st.Active != "a" || second.shown[nameAt("s1")] != own {
			t.Errorf("%q: %s signs, the second account shows %q", theirs, st.Active, second.shown[nameAt("s1")])
		}
		if st = work(nil); theirs == "" && len(st.Drift) > 0 || theirs != "" &&
			(w.shown(nameAt("s1"))[0] != theirs || saidAt(st, "s1") != codes.RecordSecond) {
			t.Errorf("%q: s1 shows %q; %+v", theirs, w.shown(nameAt("s1")), st.Drift)
		}
	}
}
