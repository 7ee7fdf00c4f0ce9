package adoption_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

type scene = plantest.Scene

// adopt plans an adoption in a scene.
func adopt(s *scene, a rotate.Adoption) rotate.DomainPlan {
	return adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
}

// TestAdoptedRecord: a record that is adopted stays as it stands, whatever tags somebody gave it, unless it is in
// test mode: then it is published without that (RFC 6376 section 3.6.1).
func TestAdoptedRecord(t *testing.T) {
	own := plantest.Record(plantest.Keys()[0])
	tagged := func(tag string) string { return strings.Replace(own, "p=", tag+"; p=", 1) }
	for shown, want := range map[string]string{own: own, tagged("n=by hand"): tagged("n=by hand"), tagged("t=s"): tagged("t=s"),
		tagged("t=y"): own, tagged("t=y:s"): own} {
		s := shownAndUsed(plantest.New, "s1")()
		s.Show("s1", shown)
		p := adopt(s, given(map[string]int{"s1": 0}, ""))
		if len(p.Steps) == 0 || p.Steps[0].To.Record != want || p.Steps[0].From.Record != shown {
			t.Errorf("%s becomes %v", shown, p.Steps)
		}
		if proof := adoption.WithoutTesting(shown, own); proof != want {
			t.Errorf("%s is proved by %s", shown, proof)
		}
	}
	if proof := adoption.WithoutTesting("no record", own); proof != "no record" {
		t.Errorf("what is no record is proved by %s", proof)
	}
}

// TestTestingIsWarnedOf: only the flag of test mode is warned of, not each flag.
func TestTestingIsWarnedOf(t *testing.T) {
	for flag, want := range map[string]bool{"t=s": false, "t=y": true, " t = y:s ": true} {
		s := plantest.Ready()
		s.Show("s2", strings.Replace(plantest.Record(plantest.Keys()[1]), "p=", flag+"; p=", 1))
		warned := false
		for _, w := range s.Plan().Warnings {
			warned = warned || strings.Contains(w.Message, "testing flag")
		}
		if warned != want {
			t.Errorf("%q: warned: %t", flag, warned)
		}
	}
}

// TestAdoptionSays: a plan of an adoption says which domain it is of and what was seen, also where it is refused or
// limited, and when nothing is left to be adopted it is the plan of the domain as it is.
func TestAdoptionSays(t *testing.T) {
	one := given(map[string]int{"s1": 0}, "")
	s := shownAndUsed(plantest.New, "s1")()
	if p := adopt(s, one); p.Seen.Selectors["s1"].KeyID != "" || p.Name != "example.com" {
		t.Errorf("seen is %v", p.Seen)
	}
	s.Silence("mx1")
	s.Have.Revision = 7
	if p := adopt(s, one); p.Name != "example.com" || p.Phase != rotate.New || p.Revision != 7 || len(p.Seen.Signers) != 2 {
		t.Errorf("a refusal is of %q, %s, %d, %v", p.Name, p.Phase, p.Revision, p.Seen.Signers)
	}
	s = shownAndUsed(plantest.New, "s1")()
	s.Want.Limits, s.Want.Asked, s.Want.Named = plantest.ByPlan, true, true
	if p := adopt(s, one); !strings.Contains(fault.HintOf(p.Stop), "an adoption can't be saved as a plan") {
		t.Errorf("%v; %s", p.Stop, fault.HintOf(p.Stop))
	}
	s = plantest.Bootstrapping()
	s.Have.Selectors["s2"].Key = nil
	s.Hold("s2", "", 0)
	s.Show("s2")
	p, usual := adopt(s, given(map[string]int{"s1": 0}, "")), s.Plan()
	if len(p.Steps) == 0 || p.Steps[0].Reason != usual.Steps[0].Reason {
		t.Errorf("nothing is adopted, and it plans %v instead of %v", p.Steps, usual.Steps)
	}
}

// TestWhoSignsAfterAnAdoption: where signers don't all say that they use the key, dkimbot's own key at the target
// goes on to be that to which they come, if there is one; also when it is named.
func TestWhoSignsAfterAnAdoption(t *testing.T) {
	noTarget := func(s *scene) {
		s.Have.Selectors["s2"].Key = nil
		s.Hold("s2", "", 0)
		s.Show("s2")
	}
	cutOff := func(s *scene) {
		s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: plantest.RefTo("s1", 0),
			Err: errors.New("cut off")}
	}
	for title, tt := range map[string]struct {
		changes []func(*scene)
		active  string
		code    codes.Code
		signs   string
	}{
		"all use it":                    {nil, "", "", "s1"},
		"one is silent":                 {[]func(*scene){cutOff}, "", "", "s2"},
		"one is silent, and no own key": {[]func(*scene){cutOff, noTarget}, "", codes.ActiveUnclear, ""},
		"dkimbot's own is named":        {nil, "s2", "", "s2"},
		"one that has no key is named":  {[]func(*scene){noTarget}, "s2", codes.ActiveNotAdopted, ""},
	} {
		s := begun()
		for _, change := range tt.changes {
			change(s)
		}
		p, signs := adopt(s, given(map[string]int{"s1": 0}, tt.active)), ""
		if len(p.Steps) > 0 {
			signs = p.Steps[0].Signs
		}
		if fault.CodeOf(p.Stop) != tt.code || signs != tt.signs {
			t.Errorf("%s: %v; %q signs", title, p.Stop, signs)
		}
	}
}

// TestInterruptedAdoptionIsResumed: what is planned first is the end of the adoption, and that is why (I7).
func TestInterruptedAdoptionIsResumed(t *testing.T) {
	s := plantest.New()
	key := plantest.Keys()[3]
	s.Have.Intent = &rotate.Intent{Kind: rotate.Adopt, Selector: "s1", KeyID: key.ID(), Record: plantest.Record(key)}
	s.Stands("s1", 3)
	if p := s.Plan(); len(p.Steps) != 1 || p.Steps[0].Kind != rotate.Adopt || p.Reason.Code != codes.Resume {
		t.Errorf("%v because of %v", p.Steps, p.Reason)
	}
}

// TestContinuesWithAnAdoptedKey: of a signer that uses an adopted key already it is told that it continues to, and of
// others not. The other selector's key is told to be one more.
func TestContinuesWithAnAdoptedKey(t *testing.T) {
	s := plantest.New()
	s.Want.Signers = []string{"mx1", "mx2", "mx3", "mx4"}
	s.Show("s1", plantest.Record(plantest.Keys()[0]))
	s.Drift("s1", plantest.Keys()[0].ID(), "mx1")
	s.Drift("s1", plantest.Keys()[3].ID(), "mx2")
	s.Drift("", "", "mx3")
	s.Drift("old", plantest.Keys()[0].ID(), "mx4")
	p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, rotate.Adoption{Active: "s1",
		Keys: []dkim.SigningKey{{Name: dkim.Name{Domain: "example.com", Selector: "s1"}, Key: plantest.Keys()[0]}}})
	if p.Stop != nil || len(p.Steps) < 6 {
		t.Fatalf("%s; %v", plantest.Steps(p, s.Now), p.Stop)
	}
	for _, step := range p.Steps {
		continues := strings.Contains(step.Reason.Message, "continues to use the key")
		if step.Kind == rotate.Activate && continues != (step.Signer == "mx1") {
			t.Errorf("%s: %s", step.Signer, step.Reason.Message)
		}
		if step.Kind == rotate.Generate && !strings.Contains(step.Reason.Message, "the other selector gets a key of its own") {
			t.Errorf("%s: %s", step.Selector, step.Reason.Message)
		}
	}
}

// TestAdoptionNeedsASigner: no key is adopted for a domain for which no signer is named: nothing says who uses it, and
// nothing could be switched from it later. That is said at once, and not when a freeze is over.
func TestAdoptionNeedsASigner(t *testing.T) {
	for _, active := range []string{"", "s1"} {
		for _, limits := range []rotate.Limits{{}, plantest.Frozen} {
			s := shown("s1")()
			s.Want.Signers, s.Want.Limits = nil, limits
			p := adopt(s, given(map[string]int{"s1": 0}, active))
			if fault.CodeOf(p.Stop) != codes.NoSigners || len(p.Steps) > 0 || p.Held != "" {
				t.Errorf("active is %q: %v, held by %q, %d steps", active, p.Stop, p.Held, len(p.Steps))
			}
		}
	}
}
