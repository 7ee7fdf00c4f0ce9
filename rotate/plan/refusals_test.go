package plan_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestRefusedSwitchIsNotBegun: no switch begins that a signer would refuse, since it would be left half done. What it
// would refuse to the other selector only, and an error that says nothing of that, keep from none.
func TestRefusedSwitchIsNotBegun(t *testing.T) {
	refused := fault.Refuse(codes.ForeignSecret, "give the signer a key", "do something")
	for name, c := range map[string]struct {
		change func(*scene)
		begins bool
	}{
		"it would not":                {func(*scene) {}, true},
		"it would":                    {func(s *scene) { refuses(s, refused, "") }, false},
		"to this selector":            {func(s *scene) { refuses(s, refused, "s2") }, false},
		"to the other selector":       {func(s *scene) { refuses(s, refused, "s1") }, true},
		"it refuses to be asked":      {func(s *scene) { fails(s, refused) }, false},
		"it does not answer just now": {func(s *scene) { fails(s, errors.New("no route to host")) }, true},
	} {
		s := askedScene()
		c.change(s)
		p := s.Plan()
		if begins := strings.Contains(plantest.Steps(p, s.Now), "activate s2/mx2"); begins != c.begins || p.Switches != begins ||
			(p.Stop == nil) != begins {
			t.Errorf("%s: it begins: %t; stopped by %v", name, begins, p.Stop)
		}
	}
}

// TestRefusedNowIsSaid: of a switch that is under way, what a signer would refuse is told, and is tried all the same.
func TestRefusedNowIsSaid(t *testing.T) {
	s := plantest.Switching()
	s.Sign("s1", "mx1") // it comes first, and would not refuse
	refuses(s, fault.Refuse(codes.ForeignSecret, "give the signer a key", "do something"), "")
	if p := s.Plan(); fault.CodeOf(p.Stop) != codes.ForeignSecret || !strings.Contains(plantest.Steps(p, s.Now), "s2/mx2") {
		t.Errorf("stopped by %v; %s", p.Stop, plantest.Steps(p, s.Now))
	}
}

// TestRefusedLaterIsNotSaid: what a signer would refuse of a switch that has to wait yet stops nothing: it is asked
// again when the time has come.
func TestRefusedLaterIsNotSaid(t *testing.T) {
	s := plantest.Bootstrapping()
	s.Have.Selectors["s1"].Key.VerifiedAt = s.Now.Add(-time.Minute)
	refuses(s, fault.Refuse(codes.ForeignSecret, "give the signer a key", "do something"), "")
	if p := s.Plan(); p.Stop != nil || p.Next == nil || p.Next.Action != rotate.Activate {
		t.Errorf("stopped by %v; next %+v", p.Stop, p.Next)
	}
}

// refuses makes mx2 one that would refuse a switch to a selector, or to each.
func refuses(s *scene, err error, only string) {
	seen := s.Seen.Signers["mx2"]
	seen.Refuses, seen.RefusesOnly = err, only
	s.Seen.Signers["mx2"] = seen
}

// fails makes mx2 one that fails when it is asked.
func fails(s *scene, err error) {
	seen := s.Seen.Signers["mx2"]
	seen.Err = err
	s.Seen.Signers["mx2"] = seen
}
