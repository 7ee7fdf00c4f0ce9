package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
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
