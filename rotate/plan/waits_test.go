package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
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
		s.Stray(selector, id, "mx1")
		p := s.Plan()
		if is := gives(p, "mx1", s.Now); is != brought {
			t.Errorf("it signs with %q, and is given a key: %t; %s", selector, is, plantest.Steps(p, s.Now))
		}
	}
}

// TestNoKeyUnseen: a stray is given no key whose record nobody has seen, while DNS does not answer, and the plan
// says why (I2).
func TestNoKeyUnseen(t *testing.T) {
	s := plantest.Ready()
	s.Have.Selectors["s1"].Key.VerifiedAt = time.Time{}
	s.DNSSilent("s1")
	s.Stray("s2", s.Have.Selectors["s2"].Key.ID, "mx1")
	if p := s.Plan(); gives(p, "mx1", s.Now) || p.Stop == nil {
		t.Errorf("stopped by %v; %s", p.Stop, plantest.Steps(p, s.Now))
	}
}

// gives reports whether a signer is given a key now.
func gives(p rotate.DomainPlan, signer string, now time.Time) bool {
	return slices.ContainsFunc(p.Runnable(now), func(s rotate.Step) bool {
		return s.Kind == rotate.Activate && s.Signer == signer
	})
}
