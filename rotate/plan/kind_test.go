package plan_test

import (
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestKindThatSignersCanUse: a fresh key is of the kind that the policy asks for, unless a signer that uses one
// algorithm, whatever the key is, could not sign with it after the one that signs now (I1).
func TestKindThatSignersCanUse(t *testing.T) {
	rsa, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scene         func() *scene
		rsa, unmixed  bool // the active key; a signer
		policy, makes dkim.Algorithm
	}{
		{plantest.Drained, false, false, dkim.RSA4096, dkim.RSA4096},
		{plantest.Drained, false, true, dkim.RSA4096, dkim.Ed25519},
		{plantest.Drained, false, true, dkim.Ed25519, dkim.Ed25519},
		{plantest.Drained, true, true, dkim.Ed25519, dkim.RSA2048},
		{plantest.Drained, true, true, dkim.RSA4096, dkim.RSA4096},
		{plantest.New, false, true, dkim.Ed25519, dkim.Ed25519},
		{plantest.New, false, true, dkim.RSA4096, dkim.RSA4096},
	} {
		s := c.scene()
		s.Want.Policy.Key = c.policy
		s.Seen.Unmixed = map[string]bool{"mx2": c.unmixed}
		if c.rsa {
			s.Have.Selectors["s2"].Key.Record = plantest.Record(rsa)
			s.Show("s2", plantest.Record(rsa))
		}
		p := s.Plan()
		i := slices.IndexFunc(p.Steps, func(step rotate.Step) bool { return step.Kind == rotate.Generate })
		if i < 0 || p.Steps[i].Algorithm != c.makes {
			t.Errorf("%+v: %+v; %v", c, p.Steps, p.Stop)
		}
	}
}

// TestNamedWaitsForTheEndOfAHold: a command that names a domain, and asks for no rotation, is refused where limits hold
// back what is due, and not for a hold: that is what a person wanted.
func TestNamedWaitsForTheEndOfAHold(t *testing.T) {
	s := dueScene()
	s.Want.Named = true
	s.Have.OnHold = &rotate.OnHold{At: plantest.LongAgo}
	if p := s.Plan(); p.Stop != nil || p.Reason.Code != codes.OnHold {
		t.Errorf("stopped by %v; %+v", p.Stop, p.Reason)
	}
	s.Have.OnHold, s.Want.Limits = nil, plantest.Nightly
	if p := s.Plan(); p.Stop == nil {
		t.Errorf("it is not refused: %+v", p.Reason)
	}
}
