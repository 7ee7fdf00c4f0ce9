package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestSwitchHeals: where no signer can be given the active key a person has all signers leave it for a standby that is
// good; where another record stands at its name they leave it by themselves. What can't be repaired there does not stand before that switch, and a
// signer without a key is given the standby's as a part of it only (I1, I6).
func TestSwitchHeals(t *testing.T) {
	const all, none, drain = "verify s2, activate s2/mx1, activate s2/mx2", "", ", drain s1@7d"
	strange := plantest.Keys()[3]
	asked := func(s *scene) { s.Want.Asked = true }
	due := func(s *scene) { s.Have.SwitchedAt = plantest.LongAgo }
	rebuilt := func(s *scene) { s.Drift("", "", "mx2") }
	lost := func(s *scene) { s.Hold("s1", "", 0) }
	lostToo := func(s *scene) { s.Hold("s2", "", 2) }
	older := func(s *scene) { s.Past("s1", strange.ID()); s.Hold("s1", strange.ID(), 8) }
	unread := func(s *scene) {
		seen := s.Seen.Selectors["s1"]
		seen.KeyID, seen.KeyErr = "", fault.Refuse(codes.DeletedSecret, "read s1: it is deleted", "undelete it")
		s.Seen.Selectors["s1"] = seen
	}
	vanished := func(s *scene) { s.Show("s1") }
	second := func(s *scene) { s.Show("s1", s.Have.Selectors["s1"].Key.Record, plantest.Record(strange)) }
	other := func(s *scene) { s.Show("s1", plantest.ForeignRecord) }
	otherToo := func(s *scene) { s.Show("s2", plantest.ForeignRecord) }
	used := func(s *scene) { s.Show("s1", plantest.Record(strange)); s.Drift("s1", strange.ID(), "mx2") }
	stale := func(s *scene) { s.Show("s1", plantest.Record(strange)); s.Hold("s1", strange.ID(), 8) }
	lags := func(s *scene) { s.Lag("s2") }
	others := func(s *scene) { s.Want.Policy.Selectors = [2]string{"a", "b"} }
	broken := func(s *scene) { s.Want.Policy.Schedule = "never" }
	now := func(s *scene) {
		s.Have.SwitchedAt = plantest.LongAgo
		next, err := s.Want.Policy.NextDue(s.Want.Name, s.Have.SwitchedAt)
		if err != nil {
			t.Fatal(err)
		}
		s.Now = next
	}
	renewed := func(s *scene) { s.Have.Selectors["s2"].Renew = true }
	taken := func(s *scene) {
		seen := s.Seen.Selectors["s1"]
		seen.SightErr = fault.Refuse(codes.SharedName, "s1 leads to another domain's name", "give it one of its own")
		s.Seen.Selectors["s1"] = seen
	}
	led := func(s *scene) { s.Show("s1", plantest.Record(strange)); taken(s) }
	twin := func(s *scene) { // by a CNAME to a place that is no other domain's as far as is known
		s.Show("s1", s.Have.Selectors["s2"].Key.Record)
		for name, seen := range s.Seen.Selectors {
			seen.Sight.Owner = "keys.example.net"
			s.Seen.Selectors[name] = seen
		}
	}
	nowhere := func(s *scene) {
		s.Seen.Selectors["s1"] = rotate.SelectorSeen{KeyID: s.Seen.Selectors["s1"].KeyID, Version: 1, Sight: rotate.Sight{Complete: true},
			SightErr: fault.Refuse(codes.CNAMELoop, "the CNAMEs at s1 go in circles", "correct them")}
	}
	type is = []func(*scene)
	for _, c := range []struct {
		name    string
		changes is
		steps   string
		stop    codes.Code
	}{
		{"the key is lost", is{lost, rebuilt}, all, ""},
		{"the key is lost, asked", is{lost, rebuilt, asked}, all, ""},
		{"the key is lost, due", is{lost, rebuilt, due}, all, ""},
		{"the key is lost and the record", is{lost, rebuilt, vanished, asked},
			"verify s2, activate s2/mx2, publish s1, verify s1, activate s2/mx1", ""},
		{"the key is lost, due at this moment", is{lost, rebuilt, now}, all, ""},
		{"the key is lost, and it is not known when it is due", is{lost, rebuilt, broken}, all, ""},
		{"a deleted secret, asked, and other selectors are named", is{unread, asked, others}, none, codes.SelectorsChanged},
		{"both keys are lost", is{lost, lostToo, rebuilt, asked}, none, codes.KeyMissing},
		{"the standby is foreign", is{lost, otherToo, rebuilt, asked}, none, codes.KeyMissing},
		{"an older keystore, asked", is{older, rebuilt, asked}, all, codes.OldKeystore},
		{"an older keystore, due", is{older, rebuilt, due}, all, codes.OldKeystore},
		{"a deleted secret", is{unread, rebuilt}, all, ""},
		{"a deleted secret, asked", is{unread, rebuilt, asked}, all, ""},

		{"a second record", is{second, rebuilt}, all, codes.ForeignRecord},
		{"a second record, due", is{second, due}, all, codes.ForeignRecord},
		{"a second record, asked", is{second, asked}, all, codes.ForeignRecord},
		{"a second record, a host rebuilt, asked", is{second, rebuilt, asked}, all, codes.ForeignRecord},
		{"a second record, a fresh standby wanted, asked", is{second, renewed, asked}, all, codes.ForeignRecord},
		{"a second record, the standby's lags, asked", is{second, lags, asked}, none, codes.ForeignRecord},
		{"another record, asked", is{other, asked}, all, codes.ForeignRecord},
		{"another record which a signer uses, asked", is{used, asked}, none, codes.ForeignRecord},
		{"another domain's name, asked", is{taken, asked}, all, codes.SharedName},
		{"another domain's record", is{led}, all, codes.SharedName},
		{"another domain's record, a host rebuilt", is{led, rebuilt}, all, codes.SharedName},
		{"another domain's record, on some servers", is{led, func(s *scene) { s.Lag("s1") }}, none, codes.SharedName},
		{"nowhere", is{nowhere}, all, codes.CNAMELoop},
		{"the other selector's record", is{twin}, all, codes.SharedName},
		{"a state that is older than the world, asked", is{stale, asked}, none, codes.StaleState},
	} {
		s := plantest.Ready()
		for _, change := range c.changes {
			change(s)
		}
		p := s.Plan()
		if got := plantest.Steps(p, s.Now); got != c.steps || fault.CodeOf(p.Stop) != c.stop {
			t.Errorf("%s: steps %s; stop %v\nwant %s; %q", c.name, got, p.Stop, c.steps, c.stop)
		}
		if p.Stop != nil {
			faulttest.Shown(t, p.Stop)
		}
	}
}

// TestHealsWhenSettled: a standby that may not be used yet is not fled to, and the error says from when on it may.
func TestHealsWhenSettled(t *testing.T) {
	s := plantest.Ready()
	s.Show("s1", s.Have.Selectors["s1"].Key.Record, plantest.Record(plantest.Keys()[3]))
	s.Have.Selectors["s2"].Key.Replaced, s.Have.Selectors["s2"].Key.VerifiedAt = true, s.Now
	s.Want.Asked = true
	p := s.Plan()
	if len(p.Runnable(s.Now)) > 0 || p.Stop == nil || !strings.Contains(p.Stop.Error(), "switch example.com to s2 before ") {
		t.Errorf("steps %s; stop %v", plantest.Steps(p, s.Now), p.Stop)
	}
	if p.Stop != nil {
		faulttest.Shown(t, p.Stop)
	}
}

// TestNobodyIsPromisedALostKey: what is said of a signer without a key is what is done.
func TestNobodyIsPromisedALostKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene)
		says   string
		asks   bool
	}{
		"it is there": {func(*scene) {}, "it is given the key of s1 by itself", false},
		"it is lost": {func(s *scene) { s.Hold("s1", "", 0); s.Show("s2", plantest.ForeignRecord) },
			"it can't be given the key of s1", true},
		"it is lost, the standby is good": {func(s *scene) { s.Hold("s1", "", 0) }, "it is given the key of s2 by itself", false},
		"it is unread":                    {func(s *scene) { s.KeystoreSilent("s1") }, "as soon as that can be read", false},
		"it is another": {func(s *scene) { s.Hold("s1", plantest.Keys()[3].ID(), 8); s.Show("s2", plantest.ForeignRecord) },
			"which the keystore does not hold; see", true},
	} {
		s := plantest.Ready()
		s.Drift("", "", "mx2")
		c.change(s)
		for _, f := range s.Plan().Drift {
			if f.Signer == "mx2" && (f.Code != codes.SignerEmpty || !strings.Contains(f.Repair, c.says) || f.Asks != c.asks) {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if _, given := isGiven(s, "s1", "mx2"); given != (name == "it is there") {
			t.Errorf("%s: given %t", name, given)
		}
	}
}
