package order_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestReleasable: a domain is released where nothing of it is half done, unless it was released before: then what is
// ordered beside can still be changed. A purge begins its watch over the signers once (I2).
func TestReleasable(t *testing.T) {
	released := func(s *scene) { s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo} }
	for name, c := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		code   codes.Code
		says   string
	}{
		"ready":                     {plantest.Ready, nil, "", ""},
		"draining":                  {plantest.Draining, nil, "", ""},
		"switching":                 {plantest.Switching, nil, codes.NotAtRest, "it is switching"},
		"replacing":                 {plantest.Stored, nil, codes.NotAtRest, "it is replacing"},
		"compromised":               {plantest.Ready, plantest.Leak("s2"), codes.NotAtRest, "its key at s2 was reported"},
		"not managed":               {plantest.New, nil, codes.NotManaged, "it is new"},
		"switching, released":       {plantest.Switching, released, "", ""},
		"compromised, and released": {plantest.Ready, func(s *scene) { released(s); plantest.Leak("s1")(s) }, "", ""},
	} {
		s := c.scene()
		if c.change != nil {
			c.change(s)
		}
		st, _, err := ordered(s, rotate.Release{Purge: true})
		if fault.CodeOf(err) != c.code || err != nil && !strings.Contains(fault.Text(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if r := st.Released; c.code == "" && (r == nil || !r.Purge || !r.LastUsed.Equal(s.Now)) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestReclaimable: only a domain that was released is taken back, and none whose records are being removed. What it
// signs with is as before; after a purge it begins anew (I1, I2).
func TestReclaimable(t *testing.T) {
	purging := func(s *scene, done bool) {
		s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo, Purge: true, Begun: true}
		if done {
			s.Have.Released.Purged = plantest.LongAgo
		}
	}
	empty := func(s *scene) {
		purging(s, true)
		s.Have.Selectors["s1"].Key, s.Have.Selectors["s2"].Key = nil, nil
		s.Have.Draining = "s2"
	}
	for name, c := range map[string]struct {
		change func(*scene)
		code   codes.Code
		begins bool
	}{
		"managed":  {func(*scene) {}, codes.NotReleased, false},
		"released": {func(s *scene) { s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo} }, "", false},
		"released, to be purged later": {func(s *scene) {
			s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo, Purge: true}
		}, "", false},
		"being purged":                     {func(s *scene) { purging(s, false) }, codes.BeingPurged, false},
		"purged, and a key was made since": {func(s *scene) { purging(s, true) }, "", false},
		"purged":                           {empty, "", true},
	} {
		s := plantest.Ready()
		c.change(s)
		st, _, err := ordered(s, rotate.Reclaim{})
		if fault.CodeOf(err) != c.code || err == nil && st.Released != nil {
			t.Errorf("%s: %v; %+v", name, err, st.Released)
			continue
		}
		if err != nil {
			continue
		}
		fresh := st.Phase == rotate.New && st.Active == "" && st.Draining == "" && len(st.Signers) == 0
		same := st.Phase == rotate.Ready && st.Active == "s1" && len(st.Signers) == 2 &&
			!st.Selectors["s1"].Key.VerifiedAt.IsZero()
		if fresh != c.begins || same == c.begins {
			t.Errorf("%s: %s, active %q, draining %q, %d signers", name, st.Phase, st.Active, st.Draining, len(st.Signers))
		}
	}
}

// TestReportedTwice: the time at which a key that signers have left counts as compromised is that of the first report,
// and an order to revoke it at once is not forgotten by the next one.
func TestReportedTwice(t *testing.T) {
	s := moved()
	key := func(st rotate.State) *rotate.Key { return st.Earlier["s1"].Key }
	for i, now := range []bool{false, true, false} {
		st, _, err := ordered(s, rotate.Compromised{Selectors: []string{"s1"}, RevokeNow: now})
		if err != nil || key(st).RevokeNow != (i > 0) || !key(st).Leaked.Equal(plantest.Now) {
			t.Errorf("report %d: %v; %+v", i, err, key(st))
		}
		s.Have, s.Now = st, s.Now.Add(1)
	}
}
