package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestRenewGiven: a fresh key for the standby is asked for of a domain that is at rest, and of no other one.
func TestRenewGiven(t *testing.T) {
	released := plantest.Ready()
	released.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo}
	moved := plantest.Ready()
	moved.Want.Policy.Selectors = [2]string{"a1", "a2"}
	for code, s := range map[codes.Code]*scene{"": plantest.Ready(), codes.NotAtRest: plantest.Draining(),
		codes.SelectorsChanged: moved,
		codes.Released:         released, codes.NotManaged: plantest.New()} {
		st, err := told(s, rotate.Renew{})
		if fault.CodeOf(err) != code || st.Selector("s2").Renew != (code == "") || st.Selector("s1").Renew {
			t.Errorf("%q: %v; %+v", code, err, st.Selectors)
		}
	}
}

// TestRenewed: a standby's key that is to be another one is replaced when no mail can need it and every signer says that
// it signs with the other one, if that is before the next rotation; else that comes first, and is not waited with
// (I1, I2).
func TestRenewed(t *testing.T) {
	at := func(ago time.Duration) func(*scene) {
		return func(s *scene) { s.Have.SwitchedAt = s.Now.Add(-ago) }
	}
	due := func(schedule string, ago time.Duration) func(*scene) {
		return func(s *scene) { s.Want.Policy.Schedule = schedule; at(ago)(s) }
	}
	for name, c := range map[string]struct {
		change func(*scene)
		action codes.Action // what comes next; "" when it is done now
		in     time.Duration
	}{
		"mail has arrived":        {func(*scene) {}, "", 0},
		"it has from now on":      {at(7 * day), "", 0},
		"it is in flight":         {at(3 * day), codes.ActionReplace, 4 * day},
		"a rotation comes before": {due("0 12 13 * *", 3*day), codes.ActionRotate, 3 * day},
		"it comes just then":      {due("0 12 14 * *", 3*day), codes.ActionRotate, 4 * day},
		"it comes after, once its key has settled": {func(s *scene) {
			due("0 12 13 * *", 3*day)(s)
			s.Have.Selectors["s2"].Key.Replaced = true
			verified(s, "s2", day)
		}, codes.ActionReplace, 4 * day},
		"a signer is silent": {func(s *scene) { s.Silence("mx1") }, codes.ActionRotate, 14*day + 16*time.Hour},
		"nobody asked":       {func(s *scene) { s.Have.Selectors["s2"].Renew = false }, codes.ActionRotate, 14*day + 16*time.Hour},
	} {
		s := plantest.Ready()
		s.Have.Selectors["s2"].Renew = true
		c.change(s)
		p := s.Plan()
		if done := strings.Contains(plantest.Steps(p, s.Now), "generate s2"); done != (c.action == "") {
			t.Errorf("%s: %s", name, plantest.Steps(p, s.Now))
		}
		if c.action != "" && (p.Next == nil || p.Next.Action != c.action || !p.Next.At.Equal(s.Now.Add(c.in))) {
			t.Errorf("%s: %+v; want %s in %s", name, p.Next, c.action, c.in)
		}
	}
}

// TestUnfitIsRenewed: a standby's key that a signer could not use after the one that signs now is replaced by itself,
// and why is told; in a drain it is that of the drain (I1).
func TestUnfitIsRenewed(t *testing.T) {
	rsa := rsaRecord(t)
	ready := func(unmixed bool) *scene {
		s := plantest.Ready()
		s.Have.Selectors["s2"].Key.Record = rsa
		s.Show("s2", rsa)
		s.Seen.Unmixed = map[string]bool{"mx2": unmixed}
		return s
	}
	same := plantest.Ready()
	same.Seen.Unmixed = map[string]bool{"mx2": true}
	drained := plantest.Drained()
	drained.Have.Selectors["s1"].Key.Record = rsa
	drained.Show("s1", rsa)
	drained.Seen.Unmixed = map[string]bool{"mx2": true}
	asked := plantest.Ready()
	asked.Have.Selectors["s2"].Renew = true
	for says, s := range map[string]*scene{"signer mx2 could not use the rsa2048 key of the standby s2": ready(true),
		"the drain of s1 has passed": drained, "was asked for": asked} {
		p := s.Plan()
		if len(p.Steps) == 0 || p.Steps[0].Kind != rotate.Generate || !strings.Contains(p.Steps[0].Reason.Message, says) {
			t.Errorf("%s: %s; %+v", says, plantest.Steps(p, s.Now), p.Reason)
		}
	}
	for _, s := range []*scene{ready(false), same} {
		if p := s.Plan(); len(p.Steps) > 0 {
			t.Errorf("unmixed %v: %s", s.Seen.Unmixed, plantest.Steps(p, s.Now))
		}
	}
}

// TestBeginsWhenResolversKnow: a rotation that is asked for begins as soon as resolvers know the standby's record.
func TestBeginsWhenResolversKnow(t *testing.T) {
	for ago, begins := range map[time.Duration]bool{plantest.Negative: true, plantest.Negative - 1: false} {
		s := askedScene()
		verified(s, "s2", ago)
		if p := s.Plan(); p.Switches != begins {
			t.Errorf("seen %s ago: it begins: %t; %+v", ago, p.Switches, p.Next)
		}
	}
}
