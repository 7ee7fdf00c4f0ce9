package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// TestFilesAreKeptForALag: a compromised key that signers have left is revoked at once. Its file stays with a signer
// whose processes need it until the switch is surely in effect, without which their mail would be unsigned (I1); that
// is no failure, is what comes next, and is done then.
func TestFilesAreKeptForALag(t *testing.T) {
	for lingers, destroyed := range map[bool]bool{false: true, true: false} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.pass(10 * day)
		old := w.state(d.Name).Selectors["s1"].Key.ID
		w.hosts["mx1"].lingers, w.hosts["mx1"].lag = lingers, 15*time.Minute
		res := w.order(d, rotate.Compromised{})
		if e := w.event(d, rotate.Revoke); res.Err != nil || e.Outcome != codes.OutcomeDone {
			t.Fatalf("%v; %+v", res.Err, e)
		}
		if gone := w.gone(d, old); gone != destroyed {
			t.Errorf("lingers: %t; in the same run the key is destroyed: %t", lingers, gone)
		}
		st := w.state(d.Name)
		if st.Failures > 0 || lingers && (st.Next == nil || st.Next.At.Sub(w.Now()) > 15*time.Minute) {
			t.Errorf("lingers: %t; %d failures, next %+v", lingers, st.Failures, st.Next)
		}
		w.pass(16 * time.Minute)
		if res := w.engine().Advance(t.Context(), d); res.Err != nil || !w.gone(d, old) {
			t.Errorf("lingers: %t; after the lag: %v, the key is destroyed: %t", lingers, res.Err, w.gone(d, old))
		}
		w.checkReady(d, "s2")
	}
}

// gone reports whether the history says that the private key was destroyed.
func (w *world) gone(d wish, keyID string) bool {
	return slices.ContainsFunc(w.events(d, rotate.Destroy), func(e rotate.Event) bool {
		return e.KeyID == keyID && e.Outcome == codes.OutcomeDone
	})
}
