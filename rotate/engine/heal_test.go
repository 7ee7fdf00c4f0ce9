package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestSwitchHealsALostKey: the active private key is missing from the keystore and a host was built again. The health
// check brings every signer to the standby, which is good; where somebody else's record stands there it waits for a
// person, and says so (I1, I6).
func TestSwitchHealsALostKey(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(9 * day)
	w.mu.Lock()
	clear(w.keys[dkim.Name{Domain: d.Name, Selector: "s1"}])
	w.mu.Unlock()
	w.hosts["mx2"].leave(d.Name)
	own := w.state(d.Name).Selectors["s2"].Key.Record
	w.spoil("s2", plantest.ForeignRecord)
	res := w.order(d, nil)
	if fault.CodeOf(res.Err) != codes.KeyMissing ||
		plantest.Findings(res.State.Drift) != "key-missing s1!, record-foreign s2!, signer-empty mx2!" {
		t.Errorf("the health check: %v; %s", res.Err, plantest.Findings(res.State.Drift))
	}
	w.spoil("s2", own)
	w.pass(time.Hour)
	if res = w.order(d, nil); res.Err != nil || res.State.NextTry.After(w.now) {
		t.Errorf("while resolvers may not know the record: %v", res.Err)
	}
	w.pass(2 * time.Hour)
	if res = w.order(d, nil); res.Err != nil || res.State.Phase != rotate.Switching {
		t.Errorf("the switch: %v, phase %s", res.Err, res.State.Phase)
	}
	w.pass(8 * day) // receivers may keep what stood there meanwhile, and mail of mx1 verifies
	w.order(d, nil)
	for name, h := range w.hosts {
		if got := h.selector(d.Name); got != "s2" {
			t.Errorf("%s signs with %q", name, got)
		}
	}
}

// TestTargetKeyLost: a switch is under way, the private key that it leads to is missing from the keystore, and a host
// was built again: it is given the key that the others signed with before, which stands (I1).
func TestTargetKeyLost(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2", "mx3"), wanted("mx1", "mx2", "mx3")
	w.settle(d)
	w.pass(9 * day)
	w.trouble = failing("activate mx3")
	d.Asked = true
	w.engine().Advance(t.Context(), d)
	d.Asked = false
	w.mu.Lock()
	clear(w.keys[dkim.Name{Domain: d.Name, Selector: "s2"}])
	w.mu.Unlock()
	w.hosts["mx1"].leave(d.Name)
	w.pass(time.Hour)
	res := w.order(d, nil)
	if fault.CodeOf(res.Err) != codes.KeyMissing || res.State.Phase != rotate.Switching {
		t.Errorf("the health check: %v, phase %s", res.Err, res.State.Phase)
	}
	for name, want := range map[string]string{"mx1": "s1", "mx2": "s2", "mx3": "s1"} {
		if got := w.hosts[name].selector(d.Name); got != want {
			t.Errorf("%s signs with %q, want %s", name, got, want)
		}
	}
	w.trouble = nil
	w.pass(time.Hour)
	w.order(d, rotate.Rollback{})
	for name, h := range w.hosts {
		if got := h.selector(d.Name); got != "s1" {
			t.Errorf("after the rollback %s signs with %q", name, got)
		}
	}
}

// TestSwitchHealsAForeignRecord: another record at the active selector makes mail fail. Signers leave it when a
// person asks for that, the one that was built again as well; it stays as it is, and so does the old key until it is
// removed (I6).
func TestSwitchHealsAForeignRecord(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(9 * day)
	w.hosts["mx2"].leave(d.Name)
	own := w.state(d.Name).Selectors["s1"].Key.Record
	w.spoil("s1", plantest.ForeignRecord)
	d.Asked = true
	res := w.engine().Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.ForeignRecord || res.State.Phase != rotate.Draining || res.YetToBegin() {
		t.Errorf("the switch: %v, phase %s, yet to begin %t", res.Err, res.State.Phase, res.YetToBegin())
	}
	for name, h := range w.hosts {
		if got := h.selector(d.Name); got != "s2" {
			t.Errorf("%s signs with %q", name, got)
		}
	}
	d.Asked = false
	w.pass(30 * day)
	if res = w.order(d, nil); fault.CodeOf(res.Err) != codes.ForeignRecord || res.State.Phase != rotate.Draining {
		t.Errorf("while it is there: %v, phase %s", res.Err, res.State.Phase)
	}
	w.spoil("s1", own)
	w.pass(time.Hour)
	if res = w.settle(d); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Errorf("when it was removed: %v, phase %s", res.Err, res.State.Phase)
	}
}
