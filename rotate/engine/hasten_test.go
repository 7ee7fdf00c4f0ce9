package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// TestHastenedLater guards I2: a switch that is yet to come can't be hastened when the key that it leaves is revoked. It
// is tried again soon, also while something else fails, until it happens, and then no more.
func TestHastenedLater(t *testing.T) {
	for _, trouble := range []func(string) trouble{nil, failing("put s1")} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.pass(10 * day)
		asked, sealed := 0, errors.New("Vault is sealed")
		w.hosts["mx1"].lag = 2 * day // switched waits for one
		w.hosts["mx1"].hasten = func() error { asked++; return sealed }
		w.switched(d)
		w.trouble = trouble
		w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
		if e := w.event(d, rotate.Revoke); e.Outcome != codes.OutcomeDone || asked == 0 {
			t.Fatalf("%+v; hastened %d times", e, asked)
		}
		for round := range 4 {
			before, next := asked, w.state(d.Name).Next
			if next == nil || next.At.Sub(w.Now()) > time.Minute {
				t.Fatalf("round %d: next is %+v", round, next)
			}
			w.pass(time.Minute)
			w.engine().Advance(t.Context(), d)
			if asked == before {
				t.Errorf("round %d: it is not hastened again", round)
			}
		}
		sealed = nil
		w.pass(time.Minute)
		w.engine().Advance(t.Context(), d)
		w.trouble = nil
		before := asked
		w.pass(2 * time.Minute)
		w.engine().Advance(t.Context(), d)
		st := w.state(d.Name)
		if asked != before || st.Signers["mx1"].At.After(w.Now()) {
			t.Errorf("hastened %d times after it has happened; in effect from %s", asked-before, st.Signers["mx1"].At)
		}
		if st.Next != nil && st.Next.Reason.Code == codes.Failed {
			t.Errorf("next is %+v", st.Next)
		}
	}
}
