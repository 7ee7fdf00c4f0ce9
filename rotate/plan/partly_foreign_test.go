package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestStillShownBesideAnother: a compromised key was revoked, and one server shows it still beside somebody else's
// record. With several DNS accounts it is revoked again, since one of them may not have taken that; with one account the
// server is behind, and nothing is written for it. The refusal names the server (I6).
func TestStillShownBesideAnother(t *testing.T) {
	for also, steps := range map[string]string{"": "destroy s1", "second": "revoke s1, destroy s1"} {
		s := plantest.Draining()
		sel := s.Have.Selectors["s1"]
		own := sel.Key.Record
		sel.Key.Leaked = plantest.Now
		sel.Revoking(time.Hour)
		sel.Key.RevokedAt = plantest.Now
		s.Show("s1", own, plantest.ForeignRecord, sel.Key.Record)
		seen := s.Seen.Selectors["s1"]
		seen.Sight.Complete = false
		seen.Sight.Shown = map[string][]string{"ns1": {sel.Key.Record}, "ns2": {own, plantest.ForeignRecord}}
		s.Seen.Selectors["s1"] = seen
		if also != "" {
			s.Want.Also = []string{also}
		}
		p := s.Plan()
		if got := plantest.Steps(p, s.Now); got != steps || fault.CodeOf(p.Stop) != codes.ForeignRecord {
			t.Errorf("also %q: steps %s; %v", also, got, p.Stop)
		}
		if !strings.Contains(p.Stop.Error(), "ns2 still shows the compromised key") {
			t.Errorf("also %q: %v", also, p.Stop)
		}
		faulttest.Shown(t, p.Stop)
	}
}

// TestNothingIsPurgedBesideAnother: a record that nobody reported as compromised is not revoked beside somebody else's,
// and at another DNS account neither: no emergency asks for it (I6).
func TestNothingIsPurgedBesideAnother(t *testing.T) {
	s := plantest.Ready()
	s.Have.Released = &rotate.ReleaseState{At: s.Now.Add(-400 * 24 * time.Hour), Purge: true}
	s.Want.Also = []string{"second"}
	s.Show("s1", s.Have.Selectors["s1"].Key.Record, plantest.ForeignRecord)
	for _, step := range s.Plan().Steps {
		if step.Kind == rotate.Revoke && step.Selector == "s1" {
			t.Errorf("%s is planned", step.Words())
		}
	}
}
