package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestRemovedStrayDrainsAgain: a signer that drifted and is taken out of the configuration
// before it was seen to come back may have signed with the draining selector until now: the
// drain begins again (I2, I10).
func TestRemovedStrayDrainsAgain(t *testing.T) {
	s := plantest.Drained()
	s.Unsure("mx2")
	s.Want = plantest.Wanted("mx1")
	delete(s.Seen.Signers, "mx2")
	p := s.Plan()
	if p.Stop != nil || len(p.Steps) == 0 || p.Steps[0].Kind != rotate.Drain {
		t.Fatalf("I10: %v; steps %s; want a drain", p.Stop, plantest.Steps(p, s.Now))
	}
	if left := p.Steps[0].NotBefore.Sub(s.Now); left != s.Want.Policy.Drain {
		t.Errorf("I10: the drain has %s left, want all of it", left)
	}
}

// TestEmptyKeyOfOthers: a record with an empty p= at a selector where dkimbot never revoked
// a key is somebody else's, and is left alone (I6).
func TestEmptyKeyOfOthers(t *testing.T) {
	s := plantest.Ready()
	s.Show("s2", "v=DKIM1; p=")
	p := s.Plan()
	if !slices.ContainsFunc(p.Drift,
		func(f finding.Finding) bool { return f.Code == codes.RecordForeign && f.Selector == "s2" }) {
		t.Errorf("I6: the differences are %+v", p.Drift)
	}
	if slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Publish }) {
		t.Errorf("I6: it is written over: %s", plantest.Steps(p, s.Now))
	}
}

// TestGivenUpKeyWaitsForSilentSigner: a run that was killed may have given a key to a signer
// that never confirmed it. While that one does not answer, the key is not destroyed (I1).
func TestGivenUpKeyWaitsForSilentSigner(t *testing.T) {
	for _, silent := range []bool{false, true} {
		s := plantest.Bootstrapping()
		s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: plantest.Keys()[3].ID(), Version: 1,
			Dropped: true, Leaked: true}}
		if silent {
			s.Silence("mx1")
		}
		p := s.Plan()
		destroys := slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Destroy })
		if destroys == silent {
			t.Errorf("I1: with mx1 silent=%t the steps are %s", silent, plantest.Steps(p, s.Now))
		}
	}
}

// TestPurgeBesideAStranger: where somebody's record stands beside one of a released domain's, so
// that it can't be revoked, its private key is kept for as long as DNS shows it (I5, I6).
func TestPurgeBesideAStranger(t *testing.T) {
	s := plantest.Ready()
	s.Purging(-8*day, true)
	s.Show("s1", s.Have.Selectors["s1"].Key.Record, "v=DKIM1; p=")
	p := s.Plan()
	for _, step := range p.Steps {
		if step.Selector == "s1" {
			t.Errorf("I5: %s of s1 is planned", step.Kind)
		}
	}
	if len(p.Steps) == 0 || fault.CodeOf(p.Stop) != codes.ForeignRecord {
		t.Errorf("%d steps for s2, stopped by %v", len(p.Steps), p.Stop)
	}
	faulttest.Shown(t, p.Stop)
}

// TestHostComesToWhatVerifies: in a switch, a host that signs with nothing is not given a key whose
// record had vanished, as long as resolvers may not find it and the other one signs well (I2).
func TestHostComesToWhatVerifies(t *testing.T) {
	s := plantest.Switching()
	s.Want.Signers = append(s.Want.Signers, "mx3")
	s.Seen.Signers["mx3"] = rotate.SignerSeen{}
	s.Show("s2")
	p := s.Plan()
	got := strings.Split(plantest.Steps(p, s.Now), ", ")
	if !slices.Contains(got, "activate s1/mx3") || !slices.Contains(got, "activate s2/mx3@5m") {
		t.Errorf("%q", got)
	}
}

// TestSignerNeedNotCome: a signer whose mail verifies as it is does not come to the active key while
// receivers may keep another one that stood there; one whose mail is lost does (I2).
func TestSignerNeedNotCome(t *testing.T) {
	for selector, wait := range map[string]time.Duration{"s2": 6 * day, "": 0} {
		s := plantest.Ready()
		s.Have.Selectors["s1"].Key.ShadowedAt = s.Now.Add(-day)
		s.Drift(selector, s.Have.Selectors["s2"].Key.ID, "mx1")
		for _, step := range s.Plan().Steps {
			if step.Kind == rotate.Activate && step.NotBefore.Before(s.Now.Add(wait)) && wait > 0 {
				t.Errorf("I2: mx1, which signs with %q, comes to s1 at %s", selector, step.NotBefore)
			} else if step.Kind == rotate.Activate && wait == 0 && step.NotBefore.After(s.Now) {
				t.Errorf("I1: mx1, which signs with nothing, comes to s1 at %s", step.NotBefore)
			}
		}
	}
}
