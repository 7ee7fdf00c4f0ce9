package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

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
		old := w.backup()
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
	old := w.backup()
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

// TestMoveLeadsOutOfOldKeystore: where the keystore is an older copy that holds neither the compromised active key nor
// the standby's, other selectors lead out, as the hint says: signers leave the compromised key for them, it is revoked,
// and mail in flight that was signed with the other one verifies (I2).
func TestMoveLeadsOutOfOldKeystore(t *testing.T) {
	for title, c := range map[string]struct {
		report rotate.Compromised
		phase  rotate.Phase
	}{
		"at rest": {rotate.Compromised{}, rotate.Ready}, "at rest, revoked now": {rotate.Compromised{RevokeNow: true}, rotate.Ready},
		"in a drain": {rotate.Compromised{}, rotate.Draining},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			old := w.backup()
			for range 2 {
				d.Asked = true
				w.settle(d)
				w.pass(8 * day)
				d.Asked = false
				w.settle(d)
				w.pass(8 * day)
			}
			if c.phase == rotate.Draining {
				d.Asked = true
				w.engine().Advance(t.Context(), d)
				d.Asked = false
				w.pass(day)
			}
			w.keys = old
			leaked := w.state(d.Name).Active
			if res := w.order(d, c.report); fault.CodeOf(res.Err) != "old-keystore" || res.State.Phase != c.phase ||
				!strings.Contains(fault.HintOf(res.Err), "--change-selectors") {
				t.Fatalf("phase %s: %v; %s", res.State.Phase, res.Err, fault.HintOf(res.Err))
			}
			w.pass(time.Minute)
			d = elsewhere(d)
			r := d
			r.Instruction = rotate.ChangeSelectors{}
			w.soon(r)
			w.pass(time.Hour)
			w.soon(d)
			st := w.state(d.Name)
			shown := w.shown(leaked + "._domainkey.example.com")
			if st.Phase != rotate.Ready || st.Active != "a" || !w.well(d) || len(shown) == 0 ||
				slices.ContainsFunc(shown, func(v string) bool { return !dkim.RevokedValue(v) }) {
				t.Errorf("phase %s, active %s; %s shows %v; mail verifies: %t; %s", st.Phase, st.Active, leaked, shown, w.well(d),
					st.LastError)
			}
			w.signsWith(d, "a")
		})
	}
}

// backup returns a copy of the keystore.
func (w *world) backup() map[dkim.Name][]*dkim.PrivateKey {
	c := map[dkim.Name][]*dkim.PrivateKey{}
	for n, keys := range w.keys {
		c[n] = slices.Clone(keys)
	}
	return c
}

// newest returns the id of the newest key that the keystore holds for a selector.
func (w *world) newest(s string, d wish) string {
	keys := w.keys[dkim.Name{Domain: d.Name, Selector: s}]
	return keys[len(keys)-1].ID()
}
