package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestKindThatSignersCanUse: a fresh key is of the kind that the policy asks for, unless a signer that uses one
// algorithm, whatever the key is, could not sign with it after the one that signs now (I1).
func TestKindThatSignersCanUse(t *testing.T) {
	rsa := rsaRecord(t)
	for _, c := range []struct {
		scene         func() *scene
		rsa, unmixed  bool // the active key; a signer
		policy, makes dkim.Algorithm
	}{
		{bothRevoked, false, true, dkim.RSA4096, dkim.Ed25519},
		{bothRevoked, true, true, dkim.Ed25519, dkim.RSA2048},
		{bothRevoked, true, true, dkim.RSA4096, dkim.RSA4096},
		{bothRevoked, true, false, dkim.Ed25519, dkim.Ed25519},
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
			s.Have.Selectors["s2"].Key.Record = rsa
			s.Show("s2", rsa)
		}
		if active := s.Have.Selectors["s2"]; active != nil && !active.Key.Leaked.IsZero() {
			active.Key.Record = dkim.RevokedRecord(active.Key.Record)
			s.Show("s2", active.Key.Record)
		}
		p := s.Plan()
		i := slices.IndexFunc(p.Steps, func(step rotate.Step) bool { return step.Kind == rotate.Generate })
		if i < 0 || p.Steps[i].Algorithm != c.makes {
			t.Errorf("%+v: %+v; %v", c, p.Steps, p.Stop)
		}
	}
}

// bothRevoked is the scene in which both keys were compromised and revoked: s2 signs, and s1 gets a fresh key.
func bothRevoked() *scene {
	s := plantest.Drained()
	for _, name := range []string{"s1", "s2"} {
		plantest.Leak(name)(s)
		sel := s.Have.Selectors[name]
		sel.Revoked, sel.Key.RevokedAt = true, s.Now
	}
	s.Have.Selectors["s1"].Key.Gone = true
	s.Hold("s1", "", 1)
	s.Have.Selectors["s1"].Key.Record = dkim.RevokedRecord(s.Have.Selectors["s1"].Key.Record)
	s.Show("s1", s.Have.Selectors["s1"].Key.Record)
	return s
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

// rsaRecord returns the record of an RSA key.
func rsaRecord(t *testing.T) string {
	key, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	return plantest.Record(key)
}

// TestKindIsSaid: where keys are of another kind than the policy asks for, people are informed when all will have that one,
// or that they will not: in words that are so.
func TestKindIsSaid(t *testing.T) {
	rsa := rsaRecord(t)
	const said = "the policy asks for"
	for _, c := range []struct {
		scene  func() *scene
		policy dkim.Algorithm
		rsa    []string // the selectors with an RSA key
		change func(*scene)
		says   string // "" for nothing
	}{
		{plantest.Ready, dkim.Ed25519, nil, nil, ""},
		{plantest.Ready, dkim.RSA2048, []string{"s1", "s2"}, nil, ""},
		{plantest.Bootstrapping, dkim.RSA2048, nil, nil, ""},
		{plantest.Ready, dkim.RSA2048, nil, nil, "s1 has ed25519 and s2 has ed25519; all have one after two rotations; 'dkimbot"},
		{plantest.Ready, dkim.RSA2048, nil, func(s *scene) { s.Have.Selectors["s2"].Renew = true }, "after the next rotation"},
		{plantest.Ready, dkim.RSA2048, []string{"s1"}, nil, "and s2 has ed25519; all have one after two rotations; 'dkimbot"},
		{plantest.Ready, dkim.RSA2048, []string{"s2"}, nil, "and s1 has ed25519; all have one after the next rotation"},
		{plantest.Ready, dkim.Ed25519, []string{"s1"}, nil, "after the next rotation; large receivers, Gmail"},
		{plantest.Switching, dkim.RSA2048, nil, nil, "after the next two rotations"},
		{plantest.Switching, dkim.RSA2048, nil, func(s *scene) { s.Have.Selectors["s2"].Renew = true },
			"after the next two rotations"},
		{plantest.Switching, dkim.RSA2048, []string{"s2"}, nil, "after this rotation"},
		{plantest.Draining, dkim.RSA2048, nil, nil, "after the next rotation"},
		{plantest.Draining, dkim.RSA2048, []string{"s2"}, nil, "when the drain of s1 is over"},
		{plantest.Stored, dkim.RSA2048, nil, nil, "after the next two rotations"}, // the fresh key is made already
		{plantest.Ready, dkim.RSA2048, nil, func(s *scene) { s.Seen.Unmixed = map[string]bool{"mx2": true} },
			"signer mx2 would turn mail away"},
	} {
		s := c.scene()
		s.Want.Policy.Key = c.policy
		for _, selector := range c.rsa {
			s.Have.Selectors[selector].Key.Record = rsa
			s.Show(selector, rsa)
		}
		if c.change != nil {
			c.change(s)
		}
		var told []string
		for _, w := range finding.Texts(s.Plan().Warnings) {
			if strings.HasPrefix(w, said) {
				told = append(told, w)
			}
		}
		if c.says == "" && len(told) > 0 || c.says != "" && (len(told) != 1 || !strings.Contains(told[0], c.says) ||
			strings.Contains(told[0], "Gmail") != strings.Contains(c.says, "Gmail")) {
			t.Errorf("%s, %v of RSA: told %q; want %q", c.policy, c.rsa, told, c.says)
		}
	}
}

// TestLeadsBackToRSA: a signer that was listed though it can't use the domain's Ed25519 keys keeps nothing from leading
// back to RSA keys, which give it one. Until then no step gives it a key that it refuses, so that plan and run agree (I11).
func TestLeadsBackToRSA(t *testing.T) {
	listed := func() *scene {
		s := plantest.Ready()
		s.Want.Policy.Key = dkim.RSA2048
		s.Seen.Unmixed, s.Seen.RSAOnly = map[string]bool{"mx1": true}, map[string]string{"mx1": "it is old"}
		delete(s.Have.Signers, "mx1")
		s.Drift("", "", "mx1")
		return s
	}
	s := listed()
	p := s.Plan()
	if len(p.Steps) > 0 || p.Stop != nil || len(p.Drift) != 1 || !p.Drift[0].Asks || p.Drift[0].Signer != "mx1" ||
		!strings.Contains(p.Drift[0].Message, "sign with the Ed25519 key of s1._domainkey.example.com: it is old") ||
		!strings.Contains(p.Drift[0].Repair, "--replace-standby") {
		t.Errorf("listed: %s %v %v", plantest.Steps(p, s.Now), p.Stop, p.Drift)
	}
	s.Have.Selectors["s2"].Renew = true
	if p = s.Plan(); len(p.Steps) == 0 || p.Steps[0].Kind != rotate.Generate || p.Steps[0].Algorithm != dkim.RSA2048 {
		t.Errorf("the standby's: %s %v", plantest.Steps(p, s.Now), p.Stop)
	}
	s = listed()
	s.Want.Request.Asked = true
	if p = s.Plan(); len(p.Steps) > 0 || p.Stop == nil {
		t.Errorf("to an Ed25519 key: %s %v", plantest.Steps(p, s.Now), p.Stop)
	}
	rsa := rsaRecord(t)
	s.Have.Selectors["s2"].Key.Record = rsa
	s.Show("s2", rsa)
	p = s.Plan()
	gets := func(name string) bool {
		return slices.ContainsFunc(p.Steps, func(step rotate.Step) bool {
			return step.Kind == rotate.Activate && step.Signer == name && step.Selector == "s2"
		})
	}
	if !gets("mx1") || !gets("mx2") || p.Stop != nil || !strings.Contains(p.Drift[0].Repair, "gives it the key of s2") {
		t.Errorf("to an RSA key: %s %v %v", plantest.Steps(p, s.Now), p.Stop, p.Drift)
	}
	s = listed()
	s.Sign("s2", "mx1") // it signs with what it has
	if p = s.Plan(); p.Stop == nil {
		t.Errorf("a signer that signs elsewhere is forgotten: %s", plantest.Steps(p, s.Now))
	}
}
