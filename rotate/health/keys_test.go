package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// duration reads a duration.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

// TestKeeping: what the keystore holds is told apart: ours or rightly none, ours lost, and somebody else's (I6).
func TestKeeping(t *testing.T) {
	keeping := func(j *health.Judge) any {
		switch j.Keeping("s2") {
		case health.KeyGone:
			return "lost"
		case health.KeyDifferent:
			return "another's"
		}
		return "kept"
	}
	gone := func(s *scene) { s.Selector("s2").Key.Gone = true }
	another := func(s *scene) { s.Hold("s2", "another", 9) }
	dropped := func(s *scene) {
		s.Selector("s2").Retired = []rotate.Retired{{KeyID: "dropped", Dropped: true}}
		s.Hold("s2", "dropped", 9)
	}
	hold(t, map[string]verdict{
		"ours":                           {plantest.Ready, nil, keeping, "kept"},
		"lost":                           {plantest.Ready, changes(lost("s2")), keeping, "lost"},
		"destroyed on purpose":           {plantest.Ready, changes(lost("s2"), gone), keeping, "kept"},
		"another's":                      {plantest.Ready, changes(another), keeping, "another's"},
		"another's, ours was destroyed":  {plantest.Ready, changes(gone, another), keeping, "another's"},
		"one that was to be destroyed":   {plantest.Ready, changes(dropped), keeping, "lost"},
		"such a one, ours was destroyed": {plantest.Ready, changes(gone, dropped), keeping, "kept"},
	})
}

// TestFreshLost: a fresh key that the keystore has lost is made once more where the other selector's key shows that this
// is the right keystore, also after a crash before that was confirmed (I7).
func TestFreshLost(t *testing.T) {
	is := func(j *health.Judge) any { return health.FreshLost(j, "s1") }
	tried := func(s *scene) {
		s.Selector("s1").Tried = []string{"tried"}
		s.Hold("s1", "tried", 9)
	}
	hold(t, map[string]verdict{
		"kept":            {plantest.Stored, nil, is, false},
		"lost":            {plantest.Stored, changes(lost("s1")), is, true},
		"lost, published": {plantest.Published, changes(lost("s1")), is, true},
		"only the old one is held": {plantest.Stored,
			changes(func(s *scene) { s.Hold("s1", s.Selector("s1").Key.ID, 1) }), is, true},
		"another's": {plantest.Stored,
			changes(func(s *scene) { s.Hold("s1", "another", 9) }), is, false},
		"both are lost": {plantest.Stored, changes(lost("s1", "s2")), is, false},
		"the other was destroyed": {plantest.Stored, changes(lost("s1", "s2"),
			func(s *scene) { s.Selector("s2").Key.Gone = true }), is, false},
		"the other has none": {plantest.Stored, changes(lost("s1", "s2"),
			func(s *scene) { s.Selector("s2").Key = nil }), is, false},
		"it was seen, and the one that took its place is lost": {plantest.Replaced, changes(lost("s1")), is, false},
		"the other is to be replaced":                          {plantest.Stored, changes(lost("s1"), func(s *scene) { s.Have.Draining = "s2" }), is, false},
		"stored again, and a crash":                            {plantest.Stored, changes(tried), is, true},
		"stored the first time, a crash":                       {plantest.Drained, changes(tried), is, false},
		"in another phase": {plantest.Stored,
			changes(lost("s1"), func(s *scene) { s.Have.Phase = rotate.Ready }), is, false},
	})
}

// TestIdle: a lost key is replaced at the standby only, while every signer is sure to use the other one, or one that
// was given up.
func TestIdle(t *testing.T) {
	idle := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Idle(selector) }
	}
	hold(t, map[string]verdict{
		"the standby":                {plantest.Ready, nil, idle("s2"), true},
		"the active one":             {plantest.Ready, nil, idle("s1"), false},
		"a signer strayed":           {plantest.Ready, changes(nowhere), idle("s2"), false},
		"the active one was revoked": {plantest.Ready, changes(revokes("s1"), nowhere), idle("s2"), true},
		"a signer is silent":         {plantest.Ready, changes(silent("mx2")), idle("s2"), false},
		"the standby is there, not to be made": {plantest.Ready, nil,
			func(j *health.Judge) any { return j.Renewable("s2") }, false},
		"the standby is lost": {plantest.Ready, changes(lost("s2")),
			func(j *health.Judge) any { return j.Renewable("s2") }, true},
	})
}

// keyed gives a domain exactly these selectors, each with a key.
func keyed(names ...string) func(*scene) {
	return func(s *scene) {
		s.Have.Selectors = map[string]*rotate.Selector{}
		for i, name := range names {
			s.Have.Selectors[name] = &rotate.Selector{Key: plantest.KeyAt(i)}
		}
	}
}

func roles(phase rotate.Phase, active, target, draining string) func(*scene) {
	return func(s *scene) {
		s.Have.Phase, s.Have.Active, s.Have.Target, s.Have.Draining = phase, active, target, draining
	}
}

// TestSelectorsUnderManagement: where the policy names other selectors, the refusal names the two that are under
// management: those with a role, then those with a key.
func TestSelectorsUnderManagement(t *testing.T) {
	renamed := func(s *scene) { s.Want.Policy.Selectors = [2]string{"a", "b"} }
	named := func(j *health.Judge) any {
		_, pair, _ := strings.Cut(fault.HintOf(j.SelectorsChanged()), "selectors: [")
		pair, _, _ = strings.Cut(pair, "]")
		return pair
	}
	empty := func(s *scene) {
		for _, sel := range s.Have.Selectors {
			sel.Key = nil
		}
	}
	hold(t, map[string]verdict{
		"the active one has a role": {plantest.Ready, changes(renamed, keyed("s1", "s2", "s3"), roles(rotate.Ready,
			"s3", "", "")), named, "s1, s3"},
		"the target has": {plantest.Ready, changes(renamed, keyed("s1", "s2", "s3"),
			roles(rotate.Bootstrapping, "", "s3", "")), named, "s1, s3"},
		"the draining one has": {plantest.Ready, changes(renamed, keyed("s1", "s2", "s3"),
			roles(rotate.Draining, "s2", "", "s3")), named, "s2, s3"},
		"one has no key": {plantest.Ready, changes(renamed, keyed("s1", "s2", "s3"), roles(rotate.Ready, "s3", "",
			""),
			func(s *scene) { s.Selector("s1").Key = nil }), named, "s2, s3"},
		"none has a key": {plantest.Ready, changes(renamed, keyed("s1", "s2"), roles(rotate.Bootstrapping, "", "s1",
			""), empty), named, "s1, s2"},
	})
}

// TestManaging: a domain whose policy names other selectors is looked after under its own, until it is released.
func TestManaging(t *testing.T) {
	for title, tt := range map[string]struct {
		changes []func(*scene)
		policy  [2]string
		want    [2]string
	}{
		"other selectors":  {nil, [2]string{"a", "b"}, [2]string{"s1", "s2"}},
		"the same, turned": {nil, [2]string{"s2", "s1"}, [2]string{"s2", "s1"}},
		"released": {changes(func(s *scene) { s.Purging(0, true) }), [2]string{"a", "b"}, [2]string{"a",
			"b"}},
		"new":              {changes(roles(rotate.New, "", "", "")), [2]string{"a", "b"}, [2]string{"a", "b"}},
		"nothing is known": {changes(roles("", "", "", "")), [2]string{"a", "b"}, [2]string{"a", "b"}},
		"more are known":   {changes(keyed("s1", "s2", "s3")), [2]string{"a", "b"}, [2]string{"a", "b"}},
	} {
		s := plantest.Ready()
		s.Want.Policy.Selectors = tt.policy
		for _, change := range tt.changes {
			change(s)
		}
		if got := health.Managing(s.Want.Domain, s.Have).Policy.Selectors; got != tt.want {
			t.Errorf("%s: %v instead of %v", title, got, tt.want)
		}
	}
}

// TestConsistentBootstrapping: a new domain has nothing that drains.
func TestConsistentBootstrapping(t *testing.T) {
	for draining, want := range map[string]bool{"": true, "s2": false} {
		s := plantest.Bootstrapping()
		s.Have.Draining = draining
		if got := judge(s).Consistent(); got != want {
			t.Error(fmt.Sprintf("draining %q:", draining), got)
		}
	}
}
