package engine_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestDismissedThroughAMove: a signer that is not listed any more signs with the old selector while its domain moves to
// others and comes back. After the next switch that selector's drain counts from when this signer has ceased, too (I2).
func TestDismissedThroughAMove(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	d.Signers = []string{"mx1"}
	w.engine().Advance(t.Context(), d)
	w.order(elsewhere(d), rotate.ChangeSelectors{})
	w.soon(elsewhere(d))
	w.pass(day)
	w.order(elsewhere(d), rotate.Rollback{})
	old := w.state(d.Name).Selector("s1").Key.ID
	w.soon(d)
	asked := d
	asked.Asked = true
	if res := w.engine().Advance(t.Context(), asked); res.Err != nil || res.State.Active != "s2" {
		t.Fatalf("%v, active is %s", res.Err, res.State.Active)
	}
	w.pass(5 * day)
	w.hosts["mx2"].stop()
	ceased := w.clock()
	for range 8 {
		w.pass(day)
		w.soon(d)
	}
	st := w.state(d.Name)
	if at := st.Selector("s1").Key.StoredAt; st.Selector("s1").Key.ID == old || at.Before(ceased.Add(7*day)) {
		t.Errorf("I2: the key was replaced at %s, and mx2 signed with it until %s", at, ceased)
	}
}

// TestDismissedRenamed: a signer that is not listed any more, and signs still, is asked also when the configuration gives
// it another name: its key is not replaced while it signs with it, nor before its mail has arrived (I2).
func TestDismissedRenamed(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	old := w.state(d.Name).Selector("s1").Key.ID
	w.renamed(d, "mx2", "mail")
	d.Signers = []string{"mx1"}
	w.engine().Advance(t.Context(), d)
	delete(w.hosts, "mx2")
	d.Renamed, d.Asked = map[string]string{"mail": "mx2"}, true
	w.engine().Advance(t.Context(), d)
	d.Asked = false
	for range 20 {
		w.pass(day)
		w.soon(d)
	}
	st := w.state(d.Name)
	if st.Active != "s2" || st.Selector("s1").Key.ID != old || !st.Signers["mail"].Signs {
		t.Errorf("I2: active is %s, s1 has key %s, and %s signs with it: %+v", st.Active, st.Selector("s1").Key.ID, old, st.Signers)
	}
}
