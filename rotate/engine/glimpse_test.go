package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestWildcardSeenInPassing: a wildcard that shows on some servers only while dkimbot waits for its new record is
// remembered by receivers like one that was there before, also where the state can't be written then (I2). Found by
// the simulator.
func TestWildcardSeenInPassing(t *testing.T) {
	for name, unwritten := range map[string]bool{"written at once": false, "not written": true,
		"not written, and then the configuration is reloaded": true} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			published, passed := false, false
			w.pause = func(op string) { published = published || op == "publish s1" }
			w.shows = func(s *rotate.Sight) {
				if published && !s.Complete && !passed {
					s.Wildcard, s.TTL, passed = []string{"v=DKIM1; p="}, 12*time.Hour, true
				}
			}
			w.trouble = func(op string) trouble {
				if op == "save" && passed && unwritten {
					return refused
				}
				return fine
			}
			begun, e := w.Now(), w.engine()
			res := e.Advance(t.Context(), d)
			if !passed || (res.Err != nil) != unwritten {
				t.Fatalf("a wildcard was shown: %t; %v", passed, res.Err)
			}
			w.trouble = nil
			w.pass(time.Minute)
			if strings.Contains(name, "reloaded") {
				before := e
				e = w.engine()
				e.Inherit(before.Engine)
			}
			if res = e.Advance(t.Context(), d); res.Err != nil {
				t.Fatal(res.Err)
			}
			next, least := res.State.Next, 7*day+12*time.Hour
			if next == nil || next.At.Sub(begun) < least || next.At.Sub(begun) > least+day {
				t.Fatalf("I2: next is %+v", next)
			}
			w.pass(next.At.Sub(w.Now()))
			w.settle(d)
			w.checkReady(d, "s1")
			if again := e.Advance(t.Context(), d); again.Err != nil || again.State.Selectors["s1"].Key.VerifiedAt.IsZero() {
				t.Errorf("what was written is noted once more: %v", again.Err)
			}
		})
	}
}
