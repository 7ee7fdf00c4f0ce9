package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestEscape: signers of a domain that is being set up leave a compromised key for the one that stands. Where that is
// compromised as well, those of the other one come to it, so that the other one can be made again; no more signers are
// given it, and none where it is revoked at once (I12).
func TestEscape(t *testing.T) {
	replaced := func(s *scene) {
		s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: "before", Version: 9, Leaked: true}}
		s.Drift("s1", "before", "mx1")
	}
	replacedToo := func(s *scene) {
		s.Have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: "before", Version: 9, Leaked: true}}
		s.Drift("s2", "before", "mx2")
	}
	for title, c := range map[string]struct {
		changes []func(*scene)
		want    []string
	}{
		"none is compromised":         {nil, nil},
		"the other one":               {[]func(*scene){plantest.Leak("s2")}, []string{"mx2"}},
		"both":                        {[]func(*scene){plantest.Leak("s1"), plantest.Leak("s2")}, []string{"mx2"}},
		"the one that stands":         {[]func(*scene){plantest.Leak("s1")}, nil},
		"one that was replaced there": {[]func(*scene){replaced}, []string{"mx1"}},
		"the one that stands, and one that was replaced at the other": {[]func(*scene){plantest.Leak("s1"), replacedToo},
			nil},
		"both, one is revoked at once": {[]func(*scene){plantest.Leak("s1"), plantest.RevokeNow("s1"), plantest.Leak("s2")},
			nil},
	} {
		s := plantest.Bootstrapping()
		s.Drift("s1", plantest.KeyAt(0).ID, "mx1")
		s.Drift("s2", plantest.KeyAt(1).ID, "mx2")
		for _, change := range c.changes {
			change(s)
		}
		var got []string
		for _, step := range s.Plan().Steps {
			if step.Kind == rotate.Activate && step.Duty == rotate.Revocation {
				if step.Selector != "s1" {
					t.Errorf("%s: %s is given the key at %s", title, step.Signer, step.Selector)
				}
				got = append(got, step.Signer)
				if both := len(c.changes) > 1; strings.HasPrefix(step.Reason.Message, "both keys") != both {
					t.Errorf("%s: %s", title, step.Reason.Message)
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q leave, want %q", title, got, c.want)
		}
	}
}

// TestEscapeBeforeSilent: a compromised key of a domain that is being set up is revoked when its signers have left it, and
// before a signer that does not answer is tried, though that one was never given a key. While none has left it, and while
// all answer, it is revoked when all have come (I2).
func TestEscapeBeforeSilent(t *testing.T) {
	for title, tt := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"one is silent": {func(s *scene) { s.Silence("mx1") }, "activate s1/mx2, revoke s2/, activate s1/mx1"},
		"all answer":    {func(*scene) {}, "activate s1/mx2, activate s1/mx1"},
		"none signs with it": {func(s *scene) { s.Silence("mx1"); s.Drift("", "", "mx2") },
			"activate s1/mx2, activate s1/mx1"},
		"one signs with a key that was replaced": {func(s *scene) { // the other selector's is a good one, and stays
			s.Silence("mx1")
			s.Have.Selectors["s2"].Key.Leaked = time.Time{}
			s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: "before", Version: 9, Leaked: true}}
			s.Drift("s1", "before", "mx2")
		}, "activate s1/mx2, activate s1/mx1"},
	} {
		s := plantest.Bootstrapping()
		s.Have.Target = "s1"
		plantest.Leak("s2")(s)
		s.Have.Signers = map[string]rotate.Confirmed{}
		s.Drift("", "", "mx1")
		s.Drift("s2", plantest.KeyAt(1).ID, "mx2")
		s.Sign("s2", "mx2")
		tt.change(s)
		var got []string
		for _, step := range s.Plan().Steps {
			if step.Kind == rotate.Activate || step.Kind == rotate.Revoke {
				got = append(got, string(step.Kind)+" "+step.Selector+"/"+step.Signer)
			}
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %q, want %q", title, got, tt.want)
		}
	}
}

// TestFirstUseInAnEmergency: while a signer of a domain that is being set up signs with a compromised key, at either
// selector, signers are given the first key as soon as resolvers know it; else it settles first (I2).
func TestFirstUseInAnEmergency(t *testing.T) {
	for at, settles := range map[string]bool{"": true, "s1": false, "s2": false} {
		s := plantest.Bootstrapping()
		s.Have.Selectors["s1"].Key.Replaced, s.Have.Selectors["s1"].Key.VerifiedAt = true, s.Now
		if at != "" {
			s.Have.Selectors[at].Retired = []rotate.Retired{{KeyID: "before", Version: 9, Leaked: true}}
			s.Drift(at, "before", "mx1")
		}
		from, given := isGiven(s, "s1", "mx2")
		if !given || from.Before(s.Now.Add(s.Want.Policy.Settle)) == settles {
			t.Errorf("a signer at %q: %t, from %s", at, given, from)
		}
	}
}
