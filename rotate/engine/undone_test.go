package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestEmergencyUndone: an emergency of which nothing can be done, and in which nothing is to be waited for, is a failure:
// it is tried again soon, and then done when that has become possible.
func TestEmergencyUndone(t *testing.T) {
	for title, empty := range map[string][]string{"one signs": {"mx2"}, "both sign": nil} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.lag = 0
			for _, name := range empty {
				w.hosts[name].leave(d.Name)
			}
			keys := w.keys
			w.keys = map[dkim.Name][]*dkim.PrivateKey{}
			res := w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
			if res.Err == nil || !finding.Concerns(finding.TheExposure, res.Err) || w.revokedAt("s1") {
				t.Fatalf("it ended with %v", res.Err)
			}
			st := w.state(d.Name)
			if st.Next == nil || st.Next.Action != codes.ActionRetry || st.NextTry.Sub(w.Now()) > time.Minute {
				t.Fatalf("next comes %+v", st.Next)
			}
			w.keys = keys
			w.pass(time.Minute)
			if res := w.settle(d); res.Err != nil || res.State.Emergency() {
				t.Errorf("%v; an emergency still: %t", res.Err, res.State.Emergency())
			}
			w.checkReady(d, "s2")
		})
	}
}
