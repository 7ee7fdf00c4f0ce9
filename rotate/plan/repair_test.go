package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// isGiven returns when a plan gives a signer a selector's key, and whether it does.
func isGiven(s *scene, selector, signer string) (time.Time, bool) {
	step, given := isGivenBy(s, selector, signer)
	return step.NotBefore, given
}

// isGivenBy returns the step that does so.
func isGivenBy(s *scene, selector, signer string) (rotate.Step, bool) {
	p := s.Plan()
	i := slices.IndexFunc(p.Steps, func(step rotate.Step) bool {
		return step.Kind == rotate.Activate && step.Selector == selector && step.Signer == signer
	})
	if i < 0 {
		return rotate.Step{}, false
	}
	return p.Steps[i], true
}

// verified makes a selector's record one that was seen first a while before now.
func verified(s *scene, selector string, before time.Duration) {
	s.Have.Selectors[selector].Key.VerifiedAt = s.Now.Add(-before)
}

// TestSheltered: while a switch can't go on, a signer that signs with no good key is given the active one, as long as
// that can be given, and its record stands (I1, I2).
func TestSheltered(t *testing.T) {
	const cache = plantest.Negative
	stuck := func(s *scene) { s.Show("s2", plantest.ForeignRecord) }
	late := func(s *scene) { verified(s, "s2", time.Minute) }
	for name, c := range map[string]struct {
		change func(*scene)
		given  bool
	}{
		"a foreign record at the other one": {stuck, true},
		"and at the active one":             {func(s *scene) { stuck(s); s.Show("s1", plantest.ForeignRecord) }, false},
		"the keystore is silent":            {func(s *scene) { stuck(s); s.KeystoreSilent("s1") }, false},
		"the signer fetches the key itself": {func(s *scene) {
			stuck(s)
			s.KeystoreSilent("s1")
			s.Seen.Fetchers = map[string]bool{"mx2": true}
		}, true},
		"it has a good key":                    {func(s *scene) { stuck(s); s.Sign("s1", "mx2") }, false},
		"it does not answer":                   {func(s *scene) { stuck(s); s.Silence("mx2") }, false},
		"resolvers may not find the other one": {late, true},
		"they find it from now on":             {func(s *scene) { verified(s, "s2", cache) }, false},
		"a server lags at the active one":      {func(s *scene) { late(s); s.Lag("s1") }, false},
		"nor may they find the active one":     {func(s *scene) { late(s); verified(s, "s1", time.Minute) }, false},
		"they find the active one from now on": {func(s *scene) { late(s); verified(s, "s1", cache) }, true},
	} {
		s := plantest.Switching()
		s.Drift("", "", "mx2")
		if c.change(s); s.Seen.Signers["mx2"].Err == nil && c.given {
			s.Unsure("mx2")
		}
		if _, given := isGiven(s, "s1", "mx2"); given != c.given {
			t.Errorf("%s: it is given the active key: %t; %s", name, given, plantest.Steps(s.Plan(), s.Now))
		}
	}
}

// TestWhySheltered: a signer that has switched goes back because DNS shows another record there, and not because its key
// was none of dkimbot's; one that signs with nothing says that.
func TestWhySheltered(t *testing.T) {
	foreign := func(s *scene) { s.Show("s2", plantest.ForeignRecord) }
	for says, c := range map[string]struct {
		signer string
		change func(*scene)
	}{
		"mail that it signs with s2 fails, because DNS shows another record there": {"mx1", foreign},
		"does not sign": {"mx2", func(s *scene) { foreign(s); s.Drift("", "", "mx2"); s.Unsure("mx2") }},
	} {
		s := plantest.Switching()
		c.change(s)
		if step, given := isGivenBy(s, "s1", c.signer); !given || !strings.Contains(step.Reason.Message, says) {
			t.Errorf("%s: %t, %q; want %q", c.signer, given, step.Reason.Message, says)
		}
	}
}

// TestBroughtBackInTime: a signer that signs with nothing while others use the key is given it at once, one whose mail
// fails when resolvers know the record, and one whose mail verifies as it is when no receiver keeps another key. Of one
// that does not answer it is not known that its mail can only gain (I1, I2).
func TestBroughtBackInTime(t *testing.T) {
	known := plantest.Now.Add(plantest.Negative - time.Minute)
	for name, c := range map[string]struct {
		change func(*scene)
		want   time.Time
	}{
		"nothing":       {func(s *scene) { s.Drift("", "", "mx2") }, time.Time{}},
		"a key of gone": {func(s *scene) { s.Drift("s1", plantest.Keys()[3].ID(), "mx2") }, known},
		"the other key": {func(s *scene) { s.Drift("s2", plantest.Keys()[1].ID(), "mx2") }, known.Add(7 * day)},
		"the other key, of which DNS does not say": {func(s *scene) {
			s.Drift("s2", plantest.Keys()[1].ID(), "mx2")
			s.Seen.Selectors["s2"] = rotate.SelectorSeen{SightErr: errors.New("no answer in time")}
		}, known.Add(7 * day)},
		"the other key, which was not there before": {func(s *scene) {
			s.Drift("s2", plantest.Keys()[1].ID(), "mx2")
			s.Seen.Selectors["s2"] = rotate.SelectorSeen{SightErr: errors.New("no answer in time")}
			s.Have.Drift = []finding.Finding{{Code: codes.RecordVanished, Selector: "s2"}}
		}, known},
		"another key than that of the selector, of which DNS does not say": {func(s *scene) {
			s.Drift("s2", plantest.Keys()[3].ID(), "mx2")
			s.Seen.Selectors["s2"] = rotate.SelectorSeen{SightErr: errors.New("no answer in time")}
		}, known},
		"a compromised key, of which DNS does not say": {func(s *scene) {
			s.Drift("s2", plantest.Keys()[1].ID(), "mx2")
			s.Have.Selectors["s2"].Key.Leaked = s.Now.Add(-time.Minute)
			s.Seen.Selectors["s2"] = rotate.SelectorSeen{SightErr: errors.New("no answer in time")}
		}, known},
		"it is not known": {func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: errors.New("no route to host")}
			s.Unsure("mx2")
		}, known},
	} {
		s := plantest.Ready()
		verified(s, "s1", time.Minute)
		s.Have.Selectors["s1"].Key.ShadowedAt = s.Now.Add(-2 * time.Hour)
		c.change(s)
		if at, given := isGiven(s, "s1", "mx2"); !given || !at.Equal(c.want) {
			t.Errorf("it signs with %s: given the active key %t, %s after now", name, given, at.Sub(s.Now))
		}
	}
}

// TestNotBroughtToWhatIsWrong: while DNS can't be asked, a signer is brought back to the active key, unless the last
// health check has found that its record does not stand there alone (I2).
func TestNotBroughtToWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		found finding.Finding
		given bool
	}{
		"nothing":                   {finding.Finding{}, true},
		"it vanished":               {finding.Finding{Code: codes.RecordVanished, Selector: "s1"}, false},
		"an earlier one":            {finding.Finding{Code: codes.RecordEarlier, Selector: "s1"}, false},
		"two":                       {finding.Finding{Code: codes.RecordsDoubled, Selector: "s1"}, false},
		"a second one":              {finding.Finding{Code: codes.RecordSecond, Selector: "s1"}, false},
		"a foreign one":             {finding.Finding{Code: codes.RecordForeign, Selector: "s1"}, false},
		"one at the other selector": {finding.Finding{Code: codes.RecordForeign, Selector: "s2"}, true},
		"a key that was missing":    {finding.Finding{Code: codes.KeyMissing, Selector: "s1"}, true},
	} {
		s := plantest.Ready()
		s.Drift("", "", "mx2")
		s.DNSSilent("s1")
		s.Have.Drift = []finding.Finding{c.found}
		if _, given := isGiven(s, "s1", "mx2"); given != c.given {
			t.Errorf("the last health check has found %s: it is given the active key: %t", name, given)
		}
	}
}

// TestDestroysWhatNobodyUses: a replaced private key is destroyed when no signer may sign with it, in a keystore that
// holds what it should; those that were given up are no part of a replacement (I1, I5).
func TestDestroysWhatNobodyUses(t *testing.T) {
	old := plantest.Keys()[0].ID()
	for name, c := range map[string]struct {
		change func(*scene)
		want   bool
	}{
		"nobody uses it":    {func(*scene) {}, true},
		"a signer does":     {func(s *scene) { s.Drift("s1", old, "mx1") }, false},
		"a silent one may":  {func(s *scene) { s.Silence("mx1"); delete(s.Have.Signers, "mx1") }, false},
		"an older keystore": {func(s *scene) { s.Hold("s2", "older", 1); s.Past("s2", "older") }, false},
		"an empty keystore": {func(s *scene) { s.Hold("s1", "", 3); s.Hold("s2", "", 2) }, false},
	} {
		s := plantest.Replaced()
		c.change(s)
		p := s.Plan()
		if got := strings.Contains(plantest.Steps(p, s.Now), "destroy s1"); got != c.want {
			t.Errorf("%s: destroyed %t; stopped by %v", name, got, p.Stop)
		}
	}
}

// TestInHandsIsKept: a replaced private key is not destroyed while a signer signs with it, also when the active key is
// revoked, and nobody has to sign with that (I1).
func TestInHandsIsKept(t *testing.T) {
	for used, want := range map[bool]bool{true: false, false: true} {
		s := plantest.Replaced()
		key := s.Have.Selectors["s2"].Key
		key.Leaked, key.RevokedAt, key.Record = s.Now, s.Now, dkim.RevokedRecord(key.Record)
		s.Show("s2", key.Record)
		s.KeystoreSilent("s1")
		if used {
			s.Drift("s1", plantest.Keys()[0].ID(), "mx1")
		}
		p := s.Plan()
		if got := strings.Contains(plantest.Steps(p, s.Now), "destroy s1"); got != want || used && p.Stop == nil {
			t.Errorf("a signer signs with it: %t; destroyed %t; stopped by %v", used, got, p.Stop)
		}
	}
}

// TestLookedAtAgain: a record that was not seen yet is looked at once more, whatever the keystore holds, where DNS can
// be asked; where servers of two accounts differ, it is published again for that.
func TestLookedAtAgain(t *testing.T) {
	unseen := func(s *scene) { s.Have.Selectors["s2"].Key.VerifiedAt = time.Time{} }
	for name, c := range map[string]struct {
		change func(*scene)
		looks  bool
	}{
		"it stands":                  {unseen, true},
		"DNS can't be asked":         {func(s *scene) { unseen(s); s.DNSSilent("s2") }, false},
		"the keystore holds another": {func(s *scene) { unseen(s); s.Hold("s2", "another", 4) }, true},
	} {
		s := plantest.Ready()
		c.change(s)
		if steps := plantest.Steps(s.Plan(), s.Now); strings.Contains(steps, "verify s2") != c.looks {
			t.Errorf("%s: %s", name, steps)
		}
	}
	s := plantest.Ready()
	s.Want.Also = []string{"second"}
	s.Lag("s2")
	if p := s.Plan(); len(p.Steps) == 0 || p.Steps[0].Kind != rotate.Publish || p.Steps[0].Reason.Code != codes.ServersDiffer {
		t.Errorf("%s; %+v", plantest.Steps(p, s.Now), p.Reason)
	}
}

// TestFreshKeyAtANewAccount guards I2 where a DNS account is listed while a fresh key's record stands at the other one:
// the record is published there as well, in each phase, and its spreading is waited for.
func TestFreshKeyAtANewAccount(t *testing.T) {
	for phase, at := range map[string]struct {
		scene    func() *scene
		selector string
	}{"bootstrapping": {plantest.Bootstrapping, "s1"}, "replacing": {plantest.Published, "s1"}} {
		for after, published := range map[time.Duration]bool{time.Minute: false, time.Hour: true} {
			s := at.scene()
			s.Lag(at.selector)
			key := s.Have.Selectors[at.selector].Pending(s.Have.Phase)
			key.PublishedAt, key.VerifiedAt = s.Now.Add(-after), time.Time{}
			if steps := plantest.Steps(s.Plan(), s.Now); strings.Contains(steps, "publish "+at.selector) {
				t.Errorf("%s, one account, %s: %s", phase, after, steps)
			}
			s.Want.Also = []string{"second"}
			if steps := plantest.Steps(s.Plan(), s.Now); strings.Contains(steps, "publish "+at.selector) != published {
				t.Errorf("%s, %s after it was published: %s", phase, after, steps)
			}
		}
	}
}

// TestWhyItIsBroughtBack: a signer is given the active key for what it was seen to do, or because it has not confirmed it.
func TestWhyItIsBroughtBack(t *testing.T) {
	for says, change := range map[string]func(*scene){
		"does not sign for example.com any more": func(s *scene) { s.Drift("", "", "mx2") },
		"mx2 must sign with s1":                  func(s *scene) { s.Silence("mx2"); s.Unsure("mx2") },
	} {
		s := plantest.Ready()
		change(s)
		steps := s.Plan().Steps
		if last := len(steps) - 1; last < 0 || !strings.Contains(steps[last].Reason.Message, says) {
			t.Errorf("%s: %+v", says, steps)
		}
	}
}

// TestStopsWhenNothingIsDone: a switch to a key that the keystore does not give is stopped for that, unless a signer is
// sheltered meanwhile, or a record put in order.
func TestStopsWhenNothingIsDone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene)
		stops  bool
	}{
		"nothing":   {func(*scene) {}, true},
		"a shelter": {func(s *scene) { s.Drift("", "", "mx2"); s.Unsure("mx2") }, false},
		"a record":  {func(s *scene) { s.Show("s1") }, false},
	} {
		s := plantest.Switching()
		s.KeystoreSilent("s2")
		c.change(s)
		if p := s.Plan(); (p.Stop != nil) != c.stops || (len(p.Steps) == 0) != c.stops {
			t.Errorf("%s is done: %s; stopped by %v", name, plantest.Steps(p, s.Now), p.Stop)
		}
	}
}

// TestVerifyReason: what a look at a record is for is reported as it is.
func TestVerifyReason(t *testing.T) {
	for says, c := range map[string]struct {
		scene  *scene
		change func(*scene)
	}{
		"DNS is not to be asked":                                    {plantest.New(), (*scene).Uncheck},
		"the record must show on every authoritative server before": {plantest.New(), func(*scene) {}},
		"nothing signs with a key that DNS does not show now":       {plantest.Switching(), func(*scene) {}},
	} {
		c.change(c.scene)
		var last string
		for _, step := range c.scene.Plan().Steps {
			if step.Kind == rotate.Verify {
				last = step.Reason.Message
			}
		}
		if !strings.HasPrefix(last, says) {
			t.Errorf("%s: %s", says, last)
		}
	}
}

// TestUnkept guards I1: a signer that signs, and would not after its next start, is given the active key again, where the
// keystore has it; one that does not answer is not.
func TestUnkept(t *testing.T) {
	for name, c := range map[string]struct {
		scene  *scene
		change func(*scene)
		given  bool
	}{
		"at rest":                {plantest.Ready(), func(*scene) {}, true},
		"in a drain":             {plantest.Draining(), func(*scene) {}, true},
		"it does not answer":     {plantest.Ready(), func(s *scene) { s.Silence("mx2") }, false},
		"the keystore is silent": {plantest.Ready(), func(s *scene) { s.KeystoreSilent("s1") }, false},
	} {
		c.change(c.scene)
		seen := c.scene.Seen.Signers["mx2"]
		seen.Unkept = "/t is missing"
		c.scene.Seen.Signers["mx2"] = seen
		if _, given := isGiven(c.scene, c.scene.Have.Active, "mx2"); given != c.given {
			t.Errorf("%s: it is given the active key: %t", name, given)
		}
		if _, given := isGiven(c.scene, c.scene.Have.Active, "mx1"); given {
			t.Errorf("%s: mx1 is given it, too", name)
		}
	}
}
