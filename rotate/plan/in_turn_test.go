package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestLateSignersGoLast: a signer at which the last try failed or was cut off, or that does not answer, is switched after
// the others, in a flight as in any switch: what hangs there delays no other. In a flight the key is revoked before that,
// unless a try was cut off only once.
func TestLateSignersGoLast(t *testing.T) {
	const first, last = "activate s2/mx1, activate s2/mx2", "activate s2/mx2, activate s2/mx1"
	const fled, left = first + ", revoke s1, destroy s1", "activate s2/mx2, revoke s1, activate s2/mx1, destroy s1"
	asked := func(s *scene) { s.Want.Asked = true }
	for name, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"all is well":   {func(*scene) {}, first},
		"it failed":     {func(s *scene) { s.Have.Failed = rotate.Failure{Kind: rotate.Activate, Signer: "mx1"} }, last},
		"it is silent":  {func(s *scene) { s.Silence("mx1") }, last},
		"another stuck": {func(s *scene) { s.Have.Intent = &rotate.Intent{Kind: rotate.Publish, Selector: "s1"} }, first},
		"it was cut off": {func(s *scene) {
			s.Have.Intent = &rotate.Intent{Kind: rotate.Activate, Selector: "s2", Signer: "mx1"}
		}, last},
		"it was cut off twice": {func(s *scene) {
			s.Have.Intent = &rotate.Intent{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Again: true}
		}, last},
	} {
		for kind, begin := range map[string]func(*scene){"a flight": plantest.Leak("s1"), "a switch": asked} {
			s := plantest.Ready()
			begin(s)
			c.change(s)
			want := c.want
			if kind == "a flight" {
				want = map[string]string{first: fled, last: left}[want]
				if name == "it was cut off" { // it answers, so that its mail need not fail for a moment (I2)
					want = last + ", revoke s1, destroy s1"
				}
			}
			if got := plantest.Steps(s.Plan(), s.Now); !strings.Contains(got, want) {
				t.Errorf("%s, %s: %s", kind, name, got)
			}
		}
	}
}

// TestRevokedBeforeLate: a compromised key is revoked as soon as every signer that is not late has left it, and one has;
// where all are late, after the first of them, and before any where one has left it earlier (I2).
func TestRevokedBeforeLate(t *testing.T) {
	for name, c := range map[string]struct {
		silent []string
		left   bool
		cut    string // the signer whose switch was cut off once
		want   string
	}{
		"none":                         {nil, false, "", "mx1, mx2, mx3, revoke"},
		"the first":                    {[]string{"mx1"}, false, "", "mx2, mx3, revoke, mx1"},
		"two":                          {[]string{"mx1", "mx2"}, false, "", "mx3, revoke, mx1, mx2"},
		"all":                          {[]string{"mx1", "mx2", "mx3"}, false, "", "mx1, revoke, mx2, mx3"},
		"all that have not left":       {[]string{"mx2", "mx3"}, true, "", "revoke, mx2, mx3"},
		"one, and another has not":     {[]string{"mx2"}, true, "", "mx3, revoke, mx2"},
		"one, and another was cut off": {[]string{"mx2"}, true, "mx3", "mx3, revoke, mx2"},
	} {
		s := plantest.Ready()
		s.Want.Signers = []string{"mx1", "mx2", "mx3"}
		s.Sign("s1", "mx3")
		if c.left {
			s.Have.Phase, s.Have.Target = rotate.Switching, "s2"
			s.Sign("s2", "mx1")
		}
		plantest.Leak("s1")(s)
		s.Silence(c.silent...)
		if c.cut != "" {
			s.Have.Intent = &rotate.Intent{Kind: rotate.Activate, Selector: "s2", Signer: c.cut}
		}
		var got []string
		for _, step := range s.Plan().Steps {
			switch step.Kind {
			case rotate.Activate:
				got = append(got, step.Signer)
			case rotate.Revoke:
				got = append(got, "revoke")
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %s", name, got, c.want)
		}
	}
}

// TestNewDomainRevokedBeforeLate: so it is for a domain that is being set up (I2).
func TestNewDomainRevokedBeforeLate(t *testing.T) {
	for name, c := range map[string]struct {
		silent []string
		want   string
	}{
		"none": {nil, "mx1, mx2"}, // and it is revoked when they have come
		"one":  {[]string{"mx1"}, "mx2, revoke s2, mx1"},
		"both": {[]string{"mx1", "mx2"}, "mx1, revoke s2, mx2"},
	} {
		s := plantest.Bootstrapping()
		s.Sign("s2", "mx1", "mx2")
		plantest.Leak("s2")(s)
		s.Silence(c.silent...)
		var got []string
		for _, step := range s.Plan().Steps {
			switch {
			case step.Kind == rotate.Activate && step.Duty == rotate.Revocation:
				got = append(got, step.Signer)
			case step.Kind == rotate.Revoke:
				got = append(got, "revoke "+step.Selector)
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %s", name, got, c.want)
		}
	}
}
