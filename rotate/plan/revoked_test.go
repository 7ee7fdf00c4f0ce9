package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestNothingUsesWhatIsRevoked: no plan brings a signer to a key, or tests it, that the same plan revokes before (I2):
// whichever keys are compromised, and whatever else is otherwise.
func TestNothingUsesWhatIsRevoked(t *testing.T) {
	leaks := map[string]func(*scene){
		"s1":    plantest.Leak("s1"),
		"s2":    plantest.Leak("s2"),
		"s1 s2": func(s *scene) { plantest.Leak("s1")(s); plantest.Leak("s2")(s) },
	}
	for _, stage := range plantest.Stages() {
		for leaked, leak := range leaks {
			for _, v := range plantest.Changes() {
				s := &scene{}
				stage.Change(s)
				if s.Have.Selector("s1").Key == nil || s.Have.Selector("s2").Key == nil {
					continue
				}
				leak(s)
				v.Change(s)
				steps := s.Plan().Runnable(s.Now)
				for i, r := range steps {
					if r.Kind == rotate.Revoke && usesRevoked(steps[i+1:], r.Selector) {
						t.Errorf("%s, %s compromised, %s: %s", stage.Name, leaked, v.Name, plantest.Steps(s.Plan(), s.Now))
					}
				}
			}
		}
	}
}

// usesRevoked reports whether one of the steps uses the key at a selector before another one was published there.
func usesRevoked(steps []rotate.Step, selector string) bool {
	for _, s := range steps {
		switch {
		case s.Selector != selector:
		case s.Kind == rotate.Publish:
			return false
		case s.Kind == rotate.Verify, s.Kind == rotate.Activate:
			return true
		}
	}
	return false
}

// TestUnreadFreshKeyHoldsNoRevocation: a fresh key that can't be read takes the place of no record, so a compromised key
// is revoked without it.
func TestUnreadFreshKeyHoldsNoRevocation(t *testing.T) {
	s := &scene{}
	for _, stage := range plantest.Stages() {
		if stage.Name == "ready, both leaked" {
			stage.Change(s)
		}
	}
	for _, v := range plantest.Changes() {
		if v.Name == "s2: a deleted secret" || v.Name == "s2: a fresh key" {
			v.Change(s)
		}
	}
	steps := s.Plan().Steps
	if !slices.ContainsFunc(steps, func(r rotate.Step) bool { return r.Kind == rotate.Revoke && r.Selector == "s2" }) {
		t.Errorf("s2 is not revoked: %s", plantest.Steps(s.Plan(), s.Now))
	}
}

// TestRevokedOnce: a record that is revoked is not revoked again while the fresh key's can't be published yet, but only
// where another key of ours shows there once more: the write would take the fresh key's record away (I7). So it is not
// where the fresh key's publication was begun, which servers may not show yet.
func TestRevokedOnce(t *testing.T) {
	compromised := func(*scene) string { return plantest.Record(plantest.Keys()[0]) }
	for title, tt := range map[string]struct {
		shows  func(*scene) string
		change func(*scene)
		want   bool
	}{
		"the revoked record":  {func(s *scene) string { return s.Have.Selectors["s1"].Key.Record }, func(*scene) {}, false},
		"the compromised key": {compromised, func(*scene) {}, true},
		"the compromised key, and the fresh one's publication was begun": {compromised,
			func(s *scene) { s.Have.Selectors["s1"].Next.CacheWait = time.Hour }, false},
		"the compromised key, and a server is silent": {compromised, func(s *scene) { s.Mute("s1") }, true},
		"a fresh one that was reported on its way there, and a server is silent": {
			func(*scene) string { return plantest.Record(plantest.Keys()[2]) }, func(s *scene) {
				sel := s.Have.Selectors["s1"]
				s.Have.Phase, sel.Next, sel.Past = rotate.Draining, nil, append(sel.Past, plantest.KeyAt(2).ID)
				s.Mute("s1")
			}, true},
		"the revoked record, and a server is silent": {
			func(s *scene) string { return s.Have.Selectors["s1"].Key.Record }, func(s *scene) { s.Mute("s1") }, false},
		"the compromised key, and servers do not agree": {compromised, func(s *scene) { s.Lag("s1") }, false},
	} {
		s := plantest.Stored()
		s.Have.Selectors["s1"].Next.CacheWait = 0
		plantest.Leak("s1")(s)
		key := s.Have.Selectors["s1"].Key
		key.Record, key.RevokedAt, key.Gone = dkim.RevokedRecord(key.Record), s.Now, true
		s.Have.Selectors["s1"].Revoked = true
		s.Have.Selectors["s1"].Past = []string{key.ID}
		s.Show("s1", tt.shows(s))
		s.KeystoreSilent("s1")
		tt.change(s)
		steps := s.Plan().Steps
		got := slices.ContainsFunc(steps, func(r rotate.Step) bool { return r.Kind == rotate.Revoke && r.Selector == "s1" })
		if got != tt.want {
			t.Errorf("%s: revoked again: %t: %s", title, got, plantest.Steps(s.Plan(), s.Now))
		}
	}
}

// TestRevokedWhereNoneSigns: a compromised key that no signer signs with, and that none can be given again since the
// keystore has lost it, is revoked: no mail fails by that. It is not while one may sign with it.
func TestRevokedWhereNoneSigns(t *testing.T) {
	for title, tt := range map[string]struct {
		change  func(*scene)
		revoked bool
	}{
		"none signs":                       {func(*scene) {}, true},
		"one signs":                        {func(s *scene) { s.Drift("s1", plantest.Keys()[0].ID(), "mx2") }, false},
		"one signs with another key there": {func(s *scene) { s.Drift("s1", "", "mx2") }, false},
		"one is silent":                    {func(s *scene) { s.Silence("mx2") }, false},
		"mail of one is looked at":         {func(s *scene) { s.Seen.Probed = map[string]bool{"mx2": true} }, false},
		"the keystore has it":              {func(s *scene) { s.Hold("s1", plantest.Keys()[0].ID(), 1) }, false},
		"the keystore does not answer":     {func(s *scene) { s.KeystoreSilent("s1") }, false},
		"no signers are named":             {func(s *scene) { s.Want.Signers = nil }, false},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		s.Hold("s1", "", 0)
		s.Hold("s2", "", 0)
		s.Drift("", "", "mx1", "mx2")
		tt.change(s)
		p := s.Plan()
		revoked := slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Revoke })
		if revoked != tt.revoked {
			t.Errorf("%s: %s; %v", title, plantest.Steps(p, s.Now), p.Stop)
		}
	}
}

// TestBothCompromisedWhileNew: where both keys of a new domain are compromised, the one that no signer says it signs with
// is revoked, so that it can be made again, also when a signer is not sure to have left it: none is brought to the other
// one to confirm it, and both would stay for good. Mail is signed with the other one meanwhile (I2).
func TestBothCompromisedWhileNew(t *testing.T) {
	for title, tt := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"one is not sure": {func(*scene) {}, "revoke s1"},
		"all are sure":    {func(s *scene) { s.Sign("s2", "mx1") }, "revoke s1"},
		"none was given a key, and mail is looked at": {func(s *scene) {
			s.Have.Signers = nil
			s.Drift("", "", "mx1")
			s.Seen.Probed = map[string]bool{"mx1": true}
		}, "revoke s1, revoke s2"},
		"none signs":                      {func(s *scene) { s.Drift("", "", "mx1") }, "revoke s1, revoke s2"},
		"one signs with it":               {func(s *scene) { s.Drift("s1", plantest.KeyAt(0).ID, "mx2") }, "verify s2, activate s2/mx2"},
		"one is silent":                   {func(s *scene) { s.Silence("mx2") }, ""},
		"mail of the unsure is looked at": {func(s *scene) { s.Seen.Probed = map[string]bool{"mx1": true} }, ""},
		"mail of another is looked at":    {func(s *scene) { s.Seen.Probed = map[string]bool{"mx2": true} }, ""},
		"the other key is good": {func(s *scene) { s.Have.Selectors["s2"].Key.Leaked = time.Time{} },
			"verify s2, activate s2/mx1, activate s2/mx2"},
	} {
		s := plantest.Bootstrapping()
		s.Have.Target = "s2"
		plantest.Leak("s1")(s)
		plantest.Leak("s2")(s)
		s.Sign("s2", "mx1")
		s.Unsure("mx1")
		tt.change(s)
		p := s.Plan()
		if got := plantest.Steps(p, s.Now); got != tt.want {
			t.Errorf("%s: %q, want %q; %v", title, got, tt.want, p.Stop)
		}
	}
}
