package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestSecondRecordIsForgotten: when somebody has removed a second record at the standby,
// resolvers may hold both for the TTL: no signer is switched there before (I2). Found by the
// simulator.
func TestSecondRecordIsForgotten(t *testing.T) {
	s := readyScene()
	s.want.Asked = true
	s.show("s2", s.have.Selectors["s2"].Key.Record, "v=spf1 -all")
	p := s.want.plan(s.now, s.have, s.seen)
	for _, step := range p.Steps {
		if step.Kind == rotate.Activate {
			t.Fatalf("I2: with a second record at s2, the plan is %s", brief(p, s.now))
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

// TestClockWasAhead: what was seen in DNS by a clock that was ahead by years counts as seen
// now, and not days later: a signer that strays is brought back after the caches' time (I1).
func TestClockWasAhead(t *testing.T) {
	s := readyScene()
	s.have.Selectors["s1"].Key.VerifiedAt = s.now.Add(1000 * day)
	s.stray("s2", s.have.Selectors["s2"].Key.ID, "mx1")
	p := s.want.plan(s.now, s.have, s.seen)
	for _, step := range p.Steps {
		if step.Kind == rotate.Activate && step.NotBefore.After(s.now.Add(time.Hour)) {
			t.Errorf("mx1 is brought back only at %s", step.NotBefore)
		}
	}
	if len(p.Steps) == 0 {
		t.Error("nothing brings mx1 back")
	}
}
