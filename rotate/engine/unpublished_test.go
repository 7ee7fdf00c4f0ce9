package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// TestReportOfAnUnpublishedKey: a new domain's key whose publication was never begun is given up when it
// is reported as compromised, and its name stays empty until the fresh one is published: nobody can
// verify anything with it, so there is nothing to revoke. One whose publication was begun is revoked (I7).
func TestReportOfAnUnpublishedKey(t *testing.T) {
	for fails, public := range map[string]bool{"save": false, "publish s2": true} {
		t.Run(fails, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			var stored atomic.Bool
			var saves atomic.Int32
			w.trouble = func(op string) trouble { // asked side by side
				if op == "put s2" {
					stored.Store(true)
				} else if op == "save" && stored.Load() {
					saves.Add(1)
				}
				if op == fails && (op != "save" || saves.Load() > 1) { // the first one says that the key is stored
					return refused
				}
				return fine
			}
			w.look(d)
			old := w.state(d.Name).Selectors["s2"].Key
			if old == nil || !old.PublishedAt.IsZero() {
				t.Fatalf("the key at s2 is %+v", old)
			}
			w.trouble = nil
			res := w.order(d, rotate.Compromised{Selectors: []string{"s2"}})
			revoked := false
			for _, e := range res.Done {
				revoked = revoked || e.Kind == rotate.Revoke
			}
			if res.Err != nil || revoked != public {
				t.Errorf("%v; a key that may be public: %t; revoked: %t", res.Err, public, revoked)
			}
			w.settle(d)
			w.pass(time.Minute)
			w.checkReady(d, "s1")
			if key := w.state(d.Name).Selectors["s2"].Key; key.ID == old.ID {
				t.Error("I5: the key that was reported is used")
			}
		})
	}
}

// TestFlightToTheOldKey: while the fresh key of a selector can't be published, a report of the active one sends signers
// back to the key that stands there still. The fresh one goes, and nothing says that the keystore lacks the other.
func TestFlightToTheOldKey(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.lag = 0
	w.switched(d)
	w.trouble = failing("publish s1")
	w.pass(8 * day)
	w.look(d)
	st := w.state(d.Name)
	if st.Phase != rotate.Replacing || st.Active != "s2" || st.Selectors["s1"].Next == nil {
		t.Fatalf("phase %s, signs with %s", st.Phase, st.Active)
	}
	old := st.Selectors["s1"].Key.ID
	res := w.order(d, rotate.Compromised{})
	if ref := w.hosts["mx1"].inUse(d.Name).ref; ref.KeyID != old {
		t.Errorf("it signs with %+v, want the old key of s1, %s", ref, old)
	}
	for _, f := range append(w.state(d.Name).Drift, res.Plan.Drift...) {
		if f.Code == codes.KeyMissing {
			t.Errorf("it is said that %s", f.Message)
		}
	}
	for _, warning := range res.Plan.Warnings {
		if strings.Contains(warning.Message, "missing") {
			t.Errorf("it is said that %s", warning.Message)
		}
	}
}
