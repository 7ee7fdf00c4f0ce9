package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestWildcard: where a wildcard answers in place of a record, nothing stands: the domain is
// taken on, and a record that vanished is published again (I6). Receivers may keep what
// the wildcard showed as they keep a replaced record (I2).
func TestWildcard(t *testing.T) {
	for name, tt := range map[string]struct {
		shows string
		wait  time.Duration // from the publication to the first use, at least
	}{
		"a revoked key":    {"v=DKIM1; p=", 7*day + 12*time.Hour},
		"a CNAME":          {"CNAME keys.example.net", 7*day + 12*time.Hour},
		"no key, long TTL": {"v=spf1 -all", 12 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.shows = func(s *rotate.Sight) {
				if len(s.Values) == 0 {
					s.Wildcard, s.TTL = []string{tt.shows}, 12*time.Hour
				}
			}
			begun := w.Now()
			res := w.engine().Advance(t.Context(), d)
			if res.Err != nil || res.State.Next == nil || res.State.Next.At.Sub(begun) < tt.wait ||
				res.State.Next.At.Sub(begun) > tt.wait+day {
				t.Fatalf("%v; next is %+v", res.Err, res.State.Next)
			}
			w.pass(res.State.Next.At.Sub(w.Now()))
			if res = w.settle(d); res.Err != nil || res.State.Phase != rotate.Ready {
				t.Fatalf("%s: %v", res.State.Phase, res.Err)
			}
			w.spoil("s1", "")
			if res = w.engine().Advance(t.Context(), d); res.Err != nil {
				t.Fatal(res.Err)
			}
			if got := w.shown("s1._domainkey.example.com"); got[0] != res.State.Selectors["s1"].Key.Record {
				t.Errorf("the record that vanished under the wildcard: %q", got)
			}
		})
	}
}
