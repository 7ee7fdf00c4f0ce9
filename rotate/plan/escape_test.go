package plan_test

import (
	"slices"
	"testing"

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
	for title, c := range map[string]struct {
		changes []func(*scene)
		want    []string
	}{
		"none is compromised":         {nil, nil},
		"the other one":               {[]func(*scene){plantest.Leak("s2")}, []string{"mx2"}},
		"both":                        {[]func(*scene){plantest.Leak("s1"), plantest.Leak("s2")}, []string{"mx2"}},
		"the one that stands":         {[]func(*scene){plantest.Leak("s1")}, nil},
		"one that was replaced there": {[]func(*scene){replaced}, []string{"mx1"}},
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
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q leave, want %q", title, got, c.want)
		}
	}
}
