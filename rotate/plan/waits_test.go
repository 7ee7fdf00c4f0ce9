package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestWayBackWaits: a signer that was sent back comes to a selector at which another key has stood when receivers
// that keep keys have forgotten that one: for a week, and where more is configured, for that (I2).
func TestWayBackWaits(t *testing.T) {
	for settle, wait := range map[time.Duration]time.Duration{3 * day: rotate.MostKept, 20 * day: 20 * day} {
		s := plantest.Switching()
		s.Want.Policy.Settle = settle
		s.Have.Held = []string{"mx1"}
		back := s.Have.Selectors["s1"]
		back.TTL = time.Hour
		back.Key.ShadowedAt = s.Now.Add(-2 * time.Hour)
		want := back.Key.ShadowedAt.Add(back.TTL + wait)
		found := false
		for _, step := range s.Plan().Steps {
			if step.Kind == rotate.Activate && step.Selector == "s1" {
				if found = true; step.Signer != "mx1" || step.NotBefore.Before(want) {
					t.Errorf("settle %s: %s goes back at %s, and receivers may keep the other key until %s", settle, step.Signer,
						step.NotBefore, want)
				}
			}
		}
		if !found {
			t.Errorf("settle %s: no signer goes back", settle)
		}
	}
}

// TestHoldOfWhatIsNotManaged: only a domain that dkimbot manages is put on hold, and a rotation under way is said
// to continue where there is one, and only there.
func TestHoldOfWhatIsNotManaged(t *testing.T) {
	if _, _, err := ordered(plantest.New(), rotate.Hold{}); err == nil || fault.HintOf(err) == "" {
		t.Errorf("a new domain: %v", err)
	}
	for title, tt := range map[string]struct {
		s    *scene
		says string
	}{"ready": {plantest.Ready(), "put on hold: no switch begins until 'dkimbot unhold --domain example.com'"},
		"switching": {plantest.Switching(), "put on hold: no switch begins until 'dkimbot unhold --domain example.com'; " +
			"the rotation under way continues"}} {
		_, events, err := ordered(tt.s, rotate.Hold{})
		if err != nil || len(events) != 1 || events[0].Message != tt.says {
			t.Errorf("%s: %v, %+v", title, err, events)
		}
	}
}

// TestStrayWaitsForTheKeystore: while the keystore does not answer, a signer that fetches its keys itself is brought
// back to the active key only where it signs with nothing: what else it signs with may verify (I1, I2).
func TestStrayWaitsForTheKeystore(t *testing.T) {
	for selector, brought := range map[string]bool{"": true, "s2": false} {
		s := plantest.Ready()
		s.KeystoreSilent("s1")
		s.Seen.Fetchers = map[string]bool{"mx1": true, "mx2": true}
		id := ""
		if selector != "" {
			id = s.Have.Selectors[selector].Key.ID
		}
		s.Drift(selector, id, "mx1")
		p := s.Plan()
		if is := gives(p, "mx1", s.Now); is != brought {
			t.Errorf("it signs with %q, and is given a key: %t; %s", selector, is, plantest.Steps(p, s.Now))
		}
	}
}

// TestNoKeyUnseen: a stray is given no key whose record nobody has seen, while DNS does not answer, and the plan
// says why (I2).
func TestNoKeyUnseen(t *testing.T) {
	for title, change := range map[string]func(*scene){"ready": nil, "draining, compromised": func(s *scene) {
		*s = *plantest.Draining()
		plantest.Leak("s1")(s)
	}} {
		s := plantest.Ready()
		if change != nil {
			change(s)
		}
		active := s.Have.Active
		s.Have.Selectors[active].Key.VerifiedAt = time.Time{}
		s.DNSSilent(active)
		s.Drift("s9", plantest.Keys()[3].ID(), "mx1")
		if p := s.Plan(); gives(p, "mx1", s.Now) || p.Stop == nil {
			t.Errorf("%s: stopped by %v; %s", title, p.Stop, plantest.Steps(p, s.Now))
		}
	}
}

// gives reports whether a signer is given a key now.
func gives(p rotate.DomainPlan, signer string, now time.Time) bool {
	return slices.ContainsFunc(p.Runnable(now), func(s rotate.Step) bool {
		return s.Kind == rotate.Activate && s.Signer == signer
	})
}

// TestVanishedThoughKeystoreSilent: a standby's record that has vanished is published again while the keystore does
// not answer: what it said before is no reason to take the key for an older one (I3).
func TestVanishedThoughKeystoreSilent(t *testing.T) {
	s := plantest.Ready()
	s.Show("s2")
	s.KeystoreSilent("s2")
	if p := s.Plan(); !does(p, rotate.Publish, "s2", s.Now) {
		t.Errorf("stopped by %v; %s", p.Stop, plantest.Steps(p, s.Now))
	}
}

// TestRevokedAgain: where a compromised key's record stands again after it was revoked, alone or beside the revoked
// one, it is revoked again; where it is missing or revoked, nothing is to be done (I5).
func TestRevokedAgain(t *testing.T) {
	for title, again := range map[string]bool{"the key": true, "both": true, "the revoked one": false, "nothing": false} {
		s := plantest.Draining()
		key := s.Have.Selectors["s1"].Key
		live := key.Record
		key.Leaked, key.RevokedAt, key.Record = s.Now.Add(-time.Hour), s.Now.Add(-time.Hour), dkim.RevokedRecord(live)
		s.Have.Selectors["s1"].Revoked = true
		s.Past("s1", key.ID)
		s.Show("s1", map[string][]string{"the key": {live}, "both": {live, key.Record}, "the revoked one": {key.Record}}[title]...)
		s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: noRoute()} // no fresh key takes the place yet
		s.KeystoreSilent("s1")
		if p := s.Plan(); does(p, rotate.Revoke, "s1", s.Now) != again {
			t.Errorf("DNS shows %s: stopped by %v; %s", title, p.Stop, plantest.Steps(p, s.Now))
		}
	}
}

// TestBegunReplacementGoesOn: a replacement that had begun when a signer's return made the selector drain again goes
// on after that drain, whatever the limits are by then: they hold back what has not begun.
func TestBegunReplacementGoesOn(t *testing.T) {
	for begun, scene := range map[bool]func() *scene{true: plantest.Stored, false: plantest.Drained} {
		s := scene()
		s.Have.Phase, s.Want.Limits = rotate.Draining, plantest.Frozen
		if p := s.Plan(); does(p, rotate.Publish, "s1", s.Now) != begun {
			t.Errorf("begun: %t; held by %q; %s", begun, p.Held, plantest.Steps(p, s.Now))
		}
	}
}

// TestNothingDestroyedInAnOlderKeystore: where the keystore was an older copy at the last health check, and does not
// say what it is now, the replaced key is not destroyed there, and the plan says why (I5).
func TestNothingDestroyedInAnOlderKeystore(t *testing.T) {
	s := plantest.Replaced()
	s.KeystoreSilent("s2")
	s.Have.Drift = []finding.Finding{{Code: codes.KeyDifferent, Selector: "s2", Since: plantest.LongAgo}}
	if p := s.Plan(); does(p, rotate.Destroy, "s1", s.Now) || p.Stop == nil {
		t.Errorf("stopped by %v; %s", p.Stop, plantest.Steps(p, s.Now))
	}
}

// does reports whether something is done at a selector now.
func does(p rotate.DomainPlan, kind rotate.Kind, selector string, now time.Time) bool {
	return slices.ContainsFunc(p.Runnable(now), func(s rotate.Step) bool { return s.Kind == kind && s.Selector == selector })
}
