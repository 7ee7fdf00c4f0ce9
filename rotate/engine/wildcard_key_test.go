package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// underWildcard lets a wildcard answer where no record stands, with a TTL of twelve hours.
func (w *world) underWildcard(shows string) {
	w.shows = func(s *rotate.Sight) {
		if len(s.Values) == 0 {
			s.Wildcard, s.TTL = []string{shows}, 12*time.Hour
		}
	}
}

// TestWildcardIsRemembered: what a wildcard showed before the first write is remembered, also when it
// is gone by then: resolvers may keep it for its TTL, and receivers a key for days (I2).
func TestWildcardIsRemembered(t *testing.T) {
	for shows, wait := range map[string]time.Duration{
		plantest.Record(plantest.Keys()[3]): 7*day + 12*time.Hour, "v=spf1 -all": 12 * time.Hour,
	} {
		for _, fails := range []string{"put s1", "publish s1"} {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.underWildcard(shows)
			w.trouble = failing(fails)
			if res := w.look(d); res.Err == nil {
				t.Fatalf("%s does not fail", fails)
			}
			w.trouble, w.shows = nil, nil
			w.pass(time.Hour)
			begun := w.Now()
			res := w.look(d)
			if res.Err != nil || res.State.Next == nil || res.State.Next.At.Sub(begun) < wait ||
				res.State.Next.At.Sub(begun) > wait+day {
				t.Errorf("I2: after a wildcard showed %.12q, and %s: %v; next is %+v", shows, fails, res.Err, res.State.Next)
			}
		}
	}
}

// TestRollbackAfterAnotherKey: signers do not go back to a selector at which another key stood while
// its record was missing, a wildcard's or somebody else's: receivers may keep that (I2). What is no
// key is kept by resolvers alone.
func TestRollbackAfterAnotherKey(t *testing.T) {
	key := plantest.Record(plantest.Keys()[3])
	for name, tt := range map[string]struct {
		wildcard, stands string
		wait             time.Duration // from when the record is back
	}{
		"a wildcard's key":    {wildcard: key, wait: 7*day + 12*time.Hour},
		"a wildcard's SPF":    {wildcard: "v=spf1 -all", wait: 12 * time.Hour},
		"somebody else's key": {stands: key, wait: 7*day + time.Hour},
		"somebody else's SPF": {stands: "v=spf1 -all", wait: time.Hour},
		"nothing":             {wait: negative},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			d.Policy.Drain = 30 * day
			w.switched(d)
			w.spoil("s1", tt.stands)
			if tt.stands != "" {
				w.look(d)
				w.spoil("s1", "")
			}
			if tt.wildcard != "" {
				w.underWildcard(tt.wildcard)
			}
			w.pass(time.Minute)
			if res := w.look(d); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.pass(tt.wait * 9 / 10)
			res := w.order(d, rotate.Rollback{})
			faulttest.Shown(t, res.Err)
			if fault.CodeOf(res.Err) != "record-gone" || w.hosts["mx1"].selector(d.Name) != "s2" {
				t.Fatalf("I2: %v; mx1 signs with %s", res.Err, w.hosts["mx1"].selector(d.Name))
			}
			w.pass(tt.wait/10 + 2*time.Hour)
			if res := w.order(d, rotate.Rollback{}); res.Err != nil || w.hosts["mx1"].selector(d.Name) != "s1" {
				t.Errorf("when the wait is over: %v; mx1 signs with %s", res.Err, w.hosts["mx1"].selector(d.Name))
			}
		})
	}
}

// TestFreshKeyAfterWildcard: a key that takes a record's place waits for what resolvers may still keep
// of a wildcard that answered in that record's place (I2).
func TestFreshKeyAfterWildcard(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	w.pass(6*day - time.Hour)
	w.spoil("s1", "")
	w.underWildcard("v=spf1 -all")
	if res := w.look(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.shows = nil
	w.pass(2 * time.Hour)
	if res := w.look(d); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Fatalf("%s: %v", res.State.Phase, res.Err)
	}
	if key := w.state(d.Name).Selectors["s1"].Key; key.CacheWait < 9*time.Hour || key.CacheWait > 12*time.Hour {
		t.Errorf("I2: the fresh key waits for resolvers for %s", key.CacheWait)
	}
}
