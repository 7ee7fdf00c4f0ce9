package plan_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestBringBack: while a new domain can't be finished, signers that signed with its first key continue to, and those
// that sign with nothing join them; none begins, and no key is given that is not public, seen and at hand (I1, I2).
func TestBringBack(t *testing.T) {
	nothing := func(signer string) func(*scene) { return func(s *scene) { s.Drift("", "", signer) } }
	for title, tt := range map[string]struct {
		changes  []func(*scene)
		mx1, mx2 bool // whether each is given the key
	}{
		"both sign":       {[]func(*scene){func(s *scene) { s.Sign("s1", "mx2") }}, false, false},
		"one was rebuilt": {[]func(*scene){nothing("mx1")}, true, false},
		"one is new":      {[]func(*scene){nothing("mx2")}, false, true},
		"the other signs elsewhere": {[]func(*scene){func(s *scene) { s.Drift("s9", plantest.Keys()[3].ID(), "mx2") }},
			false, false},
		"the other has the standby, and its mail fails": {[]func(*scene){func(s *scene) { s.Sign("s2", "mx2") }}, false, true},
		"it does, and the keystore is silent": {[]func(*scene){func(s *scene) { s.Sign("s2", "mx2"); s.KeystoreSilent("s1") }},
			false, false},
		"the other has the standby, which shows": {[]func(*scene){func(s *scene) {
			s.Sign("s2", "mx2")
			s.Show("s2", plantest.Record(plantest.Keys()[1]), plantest.ForeignRecord)
		}}, false, false},
		"none signs": {[]func(*scene){nothing("mx1"), nothing("mx2"),
			func(s *scene) { s.Have.Signers = rotate.Confirmations{} }}, false, false},
		"never seen": {[]func(*scene){nothing("mx1"), nothing("mx2"),
			func(s *scene) { s.Have.Selectors["s1"].Key.VerifiedAt = time.Time{} }}, false, false},
		"a record of others": {[]func(*scene){nothing("mx1"), nothing("mx2"),
			func(s *scene) { s.Show("s1", plantest.ForeignRecord) }}, false, false},
		"another key in the keystore": {[]func(*scene){nothing("mx1"), nothing("mx2"),
			func(s *scene) { s.Hold("s1", plantest.Keys()[3].ID(), 8) }}, false, false},
		"no key yet": {[]func(*scene){nothing("mx1"), nothing("mx2"),
			func(s *scene) { s.Have.Selectors["s1"].Key = nil; s.Hold("s1", "", 0); s.Show("s1") }}, false, false},
		"the keystore is silent": {[]func(*scene){nothing("mx2"), func(s *scene) { s.KeystoreSilent("s1") }}, false, false},
		"the keystore is silent, and it fetches its keys": {[]func(*scene){nothing("mx2"), func(s *scene) {
			s.KeystoreSilent("s1")
			s.Seen.Fetchers = map[string]bool{"mx2": true}
		}}, false, true},
	} {
		s := plantest.Bootstrapping()
		s.Sign("s1", "mx1")
		s.Show("s2", plantest.ForeignRecord) // it can't be finished
		for _, change := range tt.changes {
			change(s)
		}
		p := s.Plan()
		given := map[string]bool{}
		for _, step := range p.Steps {
			if step.Kind != rotate.Activate {
				continue
			}
			if given[step.Signer] = true; step.Duty != rotate.Signing {
				t.Errorf("%s: what fails of the new domain keeps %s back", title, step.Signer)
			}
		}
		if mx1, mx2 := given["mx1"], given["mx2"]; mx1 != tt.mx1 || mx2 != tt.mx2 {
			t.Errorf("%s: mx1 is given the key: %t, mx2: %t; stopped by %v; %s", title, mx1, mx2, p.Stop, plantest.Steps(p, s.Now))
		}
	}
}

// TestShelterWhileItSettles: a switch waits until the target has settled, and a signer that came back to a key which
// verifies nowhere does not wait with it: it is given the active one meanwhile (I2).
func TestShelterWhileItSettles(t *testing.T) {
	for title, tt := range map[string]struct {
		stray bool
		seen  time.Duration // so long ago
		want  string
	}{
		"a dead key, not settled": {true, 2 * 24 * time.Hour, "s1"},
		"a dead key, settled":     {true, 20 * 24 * time.Hour, "s2"},
		"the active key":          {false, 2 * 24 * time.Hour, ""},
	} {
		s := plantest.Switching()
		key := s.Have.Selectors["s2"].Key
		key.Replaced, key.VerifiedAt = true, s.Now.Add(-tt.seen)
		if tt.stray {
			s.Drift("s2", plantest.Keys()[3].ID(), "mx2")
			s.Unsure("mx2")
		}
		got, p := "", s.Plan()
		for _, step := range p.Runnable(s.Now) {
			if step.Kind == rotate.Activate && step.Signer == "mx2" {
				got += step.Selector
			}
		}
		if got != tt.want {
			t.Errorf("%s: mx2 is given %q, not %q: %s", title, got, tt.want, plantest.Steps(p, s.Now))
		}
	}
}

// TestAdoptionIsFinished: the record of an adoption that was interrupted is not somebody else's: the adoption is finished,
// and nothing stops it (I6, I7).
func TestAdoptionIsFinished(t *testing.T) {
	for _, shown := range []int{3, 2} {
		s := plantest.New()
		id := plantest.Keys()[3].ID()
		s.Have.Phase, s.Have.Target, s.Selector("s1").Tried = rotate.Bootstrapping, "s1", []string{id}
		s.Selector("s2")
		s.Have.Intent = &rotate.Intent{Kind: rotate.Adopt, Selector: "s1", KeyID: id}
		s.Show("s1", plantest.Record(plantest.Keys()[shown]))
		s.Hold("s1", id, 1)
		p := s.Plan()
		if got := plantest.Steps(p, s.Now); (got == "adopt s1") != (shown == 3) || (p.Stop == nil) != (shown == 3) {
			t.Errorf("DNS shows key %d: %s; %v", shown, got, p.Stop)
		}
	}
}
