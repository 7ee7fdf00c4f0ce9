package engine_test

import (
	"maps"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestOldKeystoreInAnEmergency: where the keystore is an older copy, which holds the active key and only a replaced one
// of the standby's, a report of the active key has a fresh one made, as where that of the standby is missing: signers
// leave the compromised key for it. No person is sent in a circle, and the replaced key does not come back (I5).
func TestOldKeystoreInAnEmergency(t *testing.T) {
	for _, stuck := range []string{"", "put s1", "publish s1", "look s1", "activate mx1", "destroy s2"} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		old := map[dkim.Name][]*dkim.PrivateKey{}
		for n, keys := range w.keys {
			old[n] = append([]*dkim.PrivateKey(nil), keys...)
		}
		d.Asked = true
		w.settle(d)
		d.Asked = false
		w.pass(8 * day)
		w.keys = maps.Clone(old)
		replaced, leaked := w.newest("s1", d), w.state(d.Name).Selectors["s2"].Key.ID
		if err := w.settle(d).Err; fault.CodeOf(err) != "old-keystore" {
			t.Fatalf("%v", err)
		}
		w.trouble = failing(stuck)
		w.order(d, rotate.Compromised{})
		w.pass(day)
		w.trouble = nil
		w.pass(day)
		if err := w.settle(d).Err; err != nil {
			t.Errorf("after %q: %v", stuck, err)
		}
		st := w.state(d.Name)
		if st.Phase != rotate.Ready || st.Active != "s1" || st.Selectors["s1"].Key.ID == replaced || st.Leaked("s2") ||
			st.Selectors["s2"].Key.ID == leaked || !w.well(d) {
			t.Errorf("after %q: phase %s, active %s; mail verifies: %t; %+v", stuck, st.Phase, st.Active, w.well(d), st.LastError)
		}
		w.signsWith(d, "s1")
	}
}

// TestOldKeystoreAndNoEmergency: without one, nothing is made in such a keystore: the newer one may come back.
func TestOldKeystoreAndNoEmergency(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	old := map[dkim.Name][]*dkim.PrivateKey{}
	for n, keys := range w.keys {
		old[n] = append([]*dkim.PrivateKey(nil), keys...)
	}
	d.Asked = true
	w.settle(d)
	d.Asked = false
	w.pass(8 * day)
	w.keys = old
	before := w.newest("s1", d)
	if err := w.settle(d).Err; fault.CodeOf(err) != "old-keystore" || w.newest("s1", d) != before {
		t.Errorf("%v; the keystore holds %s, and held %s", err, w.newest("s1", d), before)
	}
}

// newest returns the id of the newest key that the keystore holds for a selector.
func (w *world) newest(s string, d wish) string {
	keys := w.keys[dkim.Name{Domain: d.Name, Selector: s}]
	return keys[len(keys)-1].ID()
}
