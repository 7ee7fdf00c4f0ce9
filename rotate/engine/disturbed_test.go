package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestSecondRecordIsForgotten: when somebody has removed a second record at the standby,
// resolvers may hold both for the TTL: no signer is switched there before (I2). Found by the
// simulator.
func TestSecondRecordIsForgotten(t *testing.T) {
	s := plantest.Ready()
	s.Want.Asked = true
	s.Show("s2", s.Have.Selectors["s2"].Key.Record, "v=spf1 -all")
	p := s.Plan()
	for _, step := range p.Steps {
		if step.Kind == rotate.Activate {
			t.Fatalf("I2: with a second record at s2, the plan is %s", plantest.Steps(p, s.Now))
		}
	}

	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(day)
	w.spoil("s2", "v=spf1 -all")
	w.pass(time.Minute)
	w.engine().Advance(context.Background(), d)
	if key := w.state(d.Name).Selectors["s2"].Key; !key.VerifiedAt.IsZero() || key.CacheWait < time.Hour {
		t.Fatalf("I2: the record at s2 counts as seen at %s, with a wait of %s", key.VerifiedAt, key.CacheWait)
	}
	if key := w.state(d.Name).Selectors["s1"].Key; key.VerifiedAt.IsZero() {
		t.Error("the other record does not count as seen any more")
	}
}
