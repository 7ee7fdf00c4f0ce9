package wayout_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// deadlock returns the scene in which the active key is to be revoked at once, and the keystore holds a key in the place
// of the standby's, which no signer can be given.
func deadlock() *scene {
	s := plantest.Ready()
	plantest.Leak("s1")(s)
	plantest.RevokeNow("s1")(s)
	s.Hold("s2", plantest.Keys()[3].ID(), 8)
	return s
}

// refusesKey lets the keystore hold something at a selector that is no key of dkimbot's.
func refusesKey(s *scene, selector string) {
	seen := s.Seen.Selectors[selector]
	seen.KeyID, seen.KeyErr = "", fault.Refuse(codes.ForeignSecret, "read it", "move it away")
	s.Seen.Selectors[selector] = seen
}

// TestDeadlocked guards I2 and I6: a fresh key takes the place of the revoked active one only where that alone ends that
// mail fails: not where signers can be given the other key, or it is replaced at once, nor where something at the active
// selector is not dkimbot's or not known.
func TestDeadlocked(t *testing.T) {
	lost := func(s *scene) { s.Hold("s2", "", 2) }
	for title, c := range map[string]struct {
		change func(*scene)
		want   bool
	}{
		"another key holds its place": {func(*scene) {}, true},
		"it is lost, and mail may need it": {func(s *scene) {
			lost(s)
			s.Have.SwitchedAt = s.Now.Add(-24 * time.Hour)
		}, true},
		"it is lost, and no mail needs it": {lost, false},
		"it is lost, and mail needs it no more from now": {func(s *scene) {
			lost(s)
			s.Have.SwitchedAt = s.Now.Add(-s.Want.Policy.Drain)
		}, false},
		"it is lost in a switch": {func(s *scene) {
			lost(s)
			s.Have.Phase, s.Have.Target = rotate.Switching, "s2"
		}, true},
		"it is lost, and all have come to it": {func(s *scene) {
			s.Have.Phase, s.Have.Target = rotate.Switching, "s2"
			s.Sign("s2", "mx1", "mx2")
		}, false},
		"it is there":                                   {func(s *scene) { s.Hold("s2", plantest.Keys()[1].ID(), 2) }, false},
		"nothing was reported":                          {func(s *scene) { s.Have.Selectors["s1"].Key = plantest.KeyAt(0) }, false},
		"no selector is active":                         {func(s *scene) { s.Have.Active = "" }, false},
		"it is not to be revoked":                       {func(s *scene) { s.Have.Selectors["s1"].Key.RevokeNow = false }, false},
		"somebody's record is in its place":             {func(s *scene) { s.Show("s1", plantest.ForeignRecord) }, false},
		"the keystore does not say":                     {func(s *scene) { s.KeystoreSilent("s1") }, false},
		"it does not say of the other one":              {func(s *scene) { s.KeystoreSilent("s2") }, false},
		"somebody's secret is in the other one's place": {func(s *scene) { refusesKey(s, "s2") }, true},
		"it may not be read, and signers fetch it themselves": {func(s *scene) {
			s.KeystoreSilent("s2")
			seen := s.Seen.Selectors["s2"]
			seen.KeyErr = &fault.Error{Kind: fault.Permanent, What: "read it", Hint: "permit it"}
			s.Seen.Selectors["s2"] = seen
			s.Seen.Fetchers = map[string]bool{"mx1": true, "mx2": true}
		}, false},
		"it is in both places":            {func(s *scene) { refusesKey(s, "s1"); refusesKey(s, "s2") }, false},
		"the active one's place is taken": {func(s *scene) { s.Hold("s1", plantest.Keys()[2].ID(), 8) }, false},
		"the state is older":              {func(s *scene) { s.Stands("s2", 3) }, false},
		"there is no other key": {func(s *scene) {
			s.Have.Selectors["s2"].Key = nil
			s.Show("s2")
			s.Hold("s2", "", 0)
		}, false},
		"the other one is compromised, too": {plantest.Leak("s2"), false},
		"a fresh one is on its way": {func(s *scene) {
			lost(s)
			s.Have.Selectors["s2"].Next = plantest.KeyAt(2)
			s.Have.Selectors["s2"].Next.PublishedAt = time.Time{}
			s.Have.SwitchedAt = s.Now
		}, false},
		"somebody's record bars the other one": {func(s *scene) {
			s.Hold("s2", plantest.Keys()[1].ID(), 2)
			s.Show("s2", plantest.ForeignRecord)
		}, true},
		"both are lost": {func(s *scene) { lost(s); s.Hold("s1", "", 1) }, false},
	} {
		s := deadlock()
		c.change(s)
		if got := wayout.Deadlocked(judge(s)); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}

// TestReasonToLeave: a plan says why signers leave the active selector as it is: somebody's record stands there, something
// else keeps them from its key, or the key is missing.
func TestReasonToLeave(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"somebody's record": {func(s *scene) { s.Show("s1", plantest.ForeignRecord) },
			"foreign-record: s1._domainkey.example.com shows a record that dkimbot did not make: signers leave it for s2"},
		"a name that leads nowhere": {func(s *scene) {
			seen := s.Seen.Selectors["s1"]
			seen.SightErr = fault.Lasting("look up s1", errors.New("a CNAME in a circle"), "remove it")
			s.Seen.Selectors["s1"] = seen
		}, "signer-strays: signers can't be given the key of s1: they are given that of s2"},
		"a record that is gone, and can't be published": {func(s *scene) {
			s.Show("s1")
			s.Have.Failures, s.Have.Failed = 1, rotate.Failure{Kind: rotate.Publish, Selector: "s1"}
		}, "vanished: the record at s1._domainkey.example.com is gone, and can't be published: signers leave it for s2"},
		"a lost key, and its record is gone": {func(s *scene) { s.Hold("s1", "", 1); s.Show("s1") },
			"key-missing: a signer needs a key, and the keystore can't give it that of s1: signers leave it for s2"},
		"a lost key": {func(s *scene) { s.Hold("s1", "", 1) },
			"key-missing: a signer needs a key, and the keystore can't give it that of s1: signers leave it for s2"},
	} {
		s := plantest.Ready()
		c.change(s)
		check := judgeAll(s)
		if why := wayout.Reason(&check, "s2"); string(why.Code)+": "+why.Message != c.want {
			t.Errorf("%s: %s: %s", title, why.Code, why.Message)
		}
	}
}
