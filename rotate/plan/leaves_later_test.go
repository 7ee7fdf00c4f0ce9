package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestOneTimeToLeave guards I2: where somebody's record stands beside the active one, signers go to the standby when no
// receiver keeps another key of that any more. Plan, drift and the answer to a person who asks for a rotation name that
// one time, and what receivers may keep; no rotation comes before it, also where the policy's settle is shorter.
func TestOneTimeToLeave(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*scene, *rotate.Key)
		wait   time.Duration
		why    string
	}{
		"at once": {func(*scene, *rotate.Key) {}, 0, ""},
		"another key stood there long ago": {func(s *scene, k *rotate.Key) {
			k.VerifiedAt, k.ShadowedAt = s.Now.Add(-9*24*time.Hour), s.Now.Add(-8*24*time.Hour)
		}, 0, ""},
		"another key stood there": {func(s *scene, k *rotate.Key) { k.ShadowedAt = s.Now }, rotate.MostKept,
			"another key stood at s2 for a while, and some receivers keep that for up to 7d"},
		"it took another one's place": {func(s *scene, k *rotate.Key) { k.Replaced = true }, time.Hour,
			"another key may have stood at s2 before; this one is not used before its record has been public for 1h, " +
				"because some receivers keep the old one that long"},
		"both": {func(s *scene, k *rotate.Key) { k.Replaced, k.ShadowedAt = true, s.Now }, rotate.MostKept,
			"another key stood at s2 for a while, and some receivers keep that for up to 7d"},
	} {
		for _, asked := range []bool{false, true} {
			s := plantest.Ready()
			s.Want.Policy.Settle = time.Hour
			key := s.Have.Selectors["s2"].Key
			key.VerifiedAt, key.CacheWait = s.Now, 0
			c.change(s, key)
			s.Show("s1", s.Have.Selectors["s1"].Key.Record, plantest.ForeignRecord)
			s.Want.Asked = asked
			p := s.Plan()
			var at time.Time
			for _, step := range p.Steps {
				if step.Kind == rotate.Activate {
					at = step.NotBefore
				}
			}
			if p.Stop == nil || (len(p.Runnable(s.Now)) > 0) != (c.wait == 0) || at.After(s.Now) != (c.wait > 0) {
				t.Errorf("%s, asked %t: %s; stop %v", title, asked, plantest.Steps(p, s.Now), p.Stop)
				continue
			}
			when, hint := calendar.Until(at), fault.HintOf(p.Stop)
			if c.wait == 0 {
				if !strings.HasSuffix(hint, "signers leave it for s2 by themselves") {
					t.Errorf("%s, asked %t: %s", title, asked, hint)
				}
				continue
			}
			if at.Before(s.Now.Add(c.wait)) || !strings.HasSuffix(hint, "by themselves, not before "+when+": "+c.why) {
				t.Errorf("%s, asked %t: at %s, hint %s", title, asked, when, hint)
			}
			if asked && p.Stop.Error() != "switch example.com to s2 before "+when+": "+c.why {
				t.Errorf("%s: %v", title, p.Stop)
			}
			if len(p.Drift) != 1 || !strings.HasSuffix(p.Drift[0].Repair, "not before "+when+": "+c.why) {
				t.Errorf("%s, asked %t: drift %+v", title, asked, p.Drift)
			}
		}
	}
}

// TestResolversAreNoReason: where signers wait for resolvers only before they leave a record of somebody else,
// nothing is said of what receivers keep.
func TestResolversAreNoReason(t *testing.T) {
	s := plantest.Ready()
	key := s.Have.Selectors["s2"].Key
	key.VerifiedAt, key.PublishedAt, key.CacheWait = s.Now, s.Now, 10*time.Minute
	s.Show("s1", s.Have.Selectors["s1"].Key.Record, plantest.ForeignRecord)
	p := s.Plan()
	if hint := fault.HintOf(p.Stop); !strings.HasSuffix(hint, "signers leave it for s2 by themselves") {
		t.Errorf("%s; steps %s", hint, plantest.Steps(p, s.Now))
	}
}

// TestOnHoldIsWhatStops: on a hold no signer leaves by itself, so that a rotation that a person asks for is stopped
// by the hold, and not by what receivers keep of another key.
func TestOnHoldIsWhatStops(t *testing.T) {
	s := plantest.Ready()
	key := s.Have.Selectors["s2"].Key
	key.VerifiedAt, key.CacheWait, key.ShadowedAt = s.Now, 0, s.Now
	s.Show("s1", s.Have.Selectors["s1"].Key.Record, plantest.ForeignRecord)
	s.Have.OnHold, s.Want.Asked = &rotate.OnHold{At: s.Now, By: "root"}, true
	if p := s.Plan(); p.Stop == nil || !strings.Contains(p.Stop.Error(), "dkimbot unhold --domain example.com") {
		t.Errorf("%s; stop %v", plantest.Steps(p, s.Now), p.Stop)
	}
}
