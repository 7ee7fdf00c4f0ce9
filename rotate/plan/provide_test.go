package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// dutyOf returns what the step belongs to that gives a signer its key, "" where there is none.
func dutyOf(p rotate.DomainPlan, signer string) rotate.Duty {
	i := slices.IndexFunc(p.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Activate && s.Signer == signer })
	if i < 0 {
		return ""
	}
	return p.Steps[i].Duty
}

// TestJoinsFromADeadKey: a signer whose mail is lost as it is joins those that sign with a good key without waiting for
// servers that are silent. One whose mail verifies waits for them (I1, I2).
func TestJoinsFromADeadKey(t *testing.T) {
	s := plantest.Ready()
	s.Want.Signers = []string{"mx1", "mx2", "mx3"}
	s.Sign("s1", "mx3")
	s.Drift("s1", plantest.Keys()[3].ID(), "mx2")
	s.Drift("s2", plantest.Keys()[1].ID(), "mx3")
	s.Mute("s1")
	p := s.Plan()
	if dead, good := dutyOf(p, "mx2"), dutyOf(p, "mx3"); dead != rotate.Joining || good != rotate.Signing {
		t.Errorf("with a dead key %q, with a good one %q: %s", dead, good, plantest.Steps(p, s.Now))
	}
}

// TestJoiningIsSaid: servers that do not answer are not waited for where a signer gains by its key as it is, and it is
// said by what. That takes a record that all servers showed before, or another signer that uses the key (I1, I2).
func TestJoiningIsSaid(t *testing.T) {
	others, lost := "others sign with the key already", "mail that the signer signs now verifies nowhere"
	dead := func(names ...string) func(*scene) {
		return func(s *scene) { s.Drift("s2", plantest.Keys()[3].ID(), names...) }
	}
	for title, c := range map[string]struct {
		change func(*scene)
		says   string
	}{
		"others use it":  {dead("mx2"), others},
		"nobody uses it": {dead("mx1", "mx2"), lost},
		"nobody has seen it, one uses": {func(s *scene) {
			dead("mx2")(s)
			s.Have.Selectors["s1"].Key.VerifiedAt = time.Time{}
		}, others},
		"nobody has seen it": {func(s *scene) {
			dead("mx1", "mx2")(s)
			s.Have.Selectors["s1"].Key.VerifiedAt = time.Time{}
		}, ""},
	} {
		s := plantest.Ready()
		c.change(s)
		s.Mute("s1")
		p, said := s.Plan(), ""
		for _, step := range p.Steps {
			if step.Kind == rotate.Verify && step.Duty == rotate.Joining {
				said = step.Reason.Message
			}
		}
		joins := dutyOf(p, "mx2") == rotate.Joining
		if joins != (c.says != "") || joins != (said != "") || !strings.HasPrefix(said, c.says) {
			t.Errorf("%s: %q: %s", title, said, plantest.Steps(p, s.Now))
		}
	}
}

// TestStoredIsUsed: a key that an earlier attempt has stored shows that this is the right keystore, though the other one
// is missing there (I5, I7).
func TestStoredIsUsed(t *testing.T) {
	tried := plantest.Keys()[3].ID()
	for held, want := range map[string]bool{tried: true, "": false} {
		s := plantest.Bootstrapping()
		s.Have.Selectors["s2"] = &rotate.Selector{Tried: []string{tried}}
		s.Hold("s1", "", 1)
		s.Hold("s2", held, 2)
		s.Show("s2")
		p := s.Plan()
		if got := strings.Contains(plantest.Steps(p, s.Now), "store s2"); got != want || got == (p.Stop != nil) {
			t.Errorf("the keystore holds %q: %s; %v", held, plantest.Steps(p, s.Now), p.Stop)
		}
	}
}

// TestRememberedSettles: the first key at a name at which another one stood is used when no receiver keeps that any
// more (I2).
func TestRememberedSettles(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*scene)
		settles bool
	}{
		"nothing stood there":    {func(*scene) {}, false},
		"a key of before":        {func(s *scene) { s.Past("s1", "1") }, true},
		"somebody's":             {func(s *scene) { s.Selector("s1").Preceded = true }, true},
		"a wildcard's key":       {func(s *scene) { s.Wildcard("s1", plantest.ForeignRecord) }, true},
		"a wildcard's something": {func(s *scene) { s.Wildcard("s1", "v=spf1 -all") }, false},
	} {
		s := plantest.New()
		c.change(s)
		at, given := isGiven(s, "s1", "mx1")
		if settles := !at.Before(s.Now.Add(s.Want.Policy.Settle)); !given || settles != c.settles {
			t.Errorf("%s: it is used at %s", name, at)
		}
	}
}

// TestAskedIsSaid: steps name who is asked in DNS, where that is not each authoritative server.
func TestAskedIsSaid(t *testing.T) {
	for asked, want := range map[string]bool{"": false, "resolver 192.0.2.1": true} {
		s := plantest.New()
		seen := s.Seen.Selectors["s1"]
		seen.Sight.Asked = asked
		s.Seen.Selectors["s1"] = seen
		for _, step := range s.Plan().Steps {
			if step.Selector != "s1" || step.Kind != rotate.Verify {
				continue
			}
			if told := step.Asked != ""; told != want || want && step.Duty == rotate.Turn && step.Reason.Code == codes.Verify &&
				!strings.Contains(step.Reason.Message, seen.Sight.Whom()) {
				t.Errorf("%s %s: %q is asked: %s", step.Kind, step.Selector, step.Asked, step.Reason.Message)
			}
		}
	}
}

// TestPublishedOnceMore: where a run ended before it noted that a record was published, that is done once more, and
// resolvers are waited for from then on (I2, I7).
func TestPublishedOnceMore(t *testing.T) {
	s := plantest.Bootstrapping()
	key := s.Have.Selectors["s1"].Key
	key.PublishedAt, key.VerifiedAt = time.Time{}, time.Time{}
	at, given := isGiven(s, "s1", "mx1")
	if wait := s.Seen.Selectors["s1"].Sight.TTL; !given || !at.Equal(s.Now.Add(wait)) {
		t.Errorf("it is used at %s", at)
	}
}

// TestContinuesAfterAdoptionOnly: only of a signer whose key was adopted is it said that it continues to use it.
func TestContinuesAfterAdoptionOnly(t *testing.T) {
	s := plantest.Bootstrapping()
	s.Sign("s1", "mx1")
	s.Unsure("mx1")
	i := slices.IndexFunc(s.Plan().Steps, func(s rotate.Step) bool { return s.Kind == rotate.Activate && s.Signer == "mx1" })
	if i < 0 {
		t.Fatal("mx1 is not given its key once more")
	}
	if why := s.Plan().Steps[i].Reason; why.Code != codes.Bootstrap || why.Message == "the signer continues to use the key, "+
		"and is given it by dkimbot from now on" {
		t.Errorf("%+v", why)
	}
}

// TestNothingIsWaitedForThatIsNotDone: a record that is not published again changes nothing that resolvers know.
func TestNothingIsWaitedForThatIsNotDone(t *testing.T) {
	s := plantest.Ready()
	s.Drift("s2", plantest.Keys()[1].ID(), "mx1", "mx2")
	s.Show("s1")
	s.Hold("s1", "another", 4)
	p := s.Plan()
	if at, given := isGiven(s, "s1", "mx2"); strings.Contains(plantest.Steps(p, s.Now), "publish s1") || given && at.After(s.Now) {
		t.Errorf("given at %s: %s", at, plantest.Steps(p, s.Now))
	}
}
