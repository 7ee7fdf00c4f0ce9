package algorithm_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/algorithm"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestKindOfAFreshKey: a signer with one algorithm gets keys of the kind that it signs with now, at the active selector or
// at the one from which the domain moves over; where that is not known, and for other signers, the policy says (I1).
func TestKindOfAFreshKey(t *testing.T) {
	rsa, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	anRSA := func() *rotate.Key { return &rotate.Key{ID: rsa.ID(), Record: plantest.Record(rsa)} }
	moves := func(s *plantest.Scene) {
		s.Have.Earlier, s.Have.Selectors = s.Have.Selectors, map[string]*rotate.Selector{}
		s.Have.Active, s.Have.Origin = "", &rotate.Origin{Pair: [2]string{"s1", "s2"}, Active: "s1"}
	}
	idle := func(s *plantest.Scene) {
		delete(s.Have.Signers, "mx1")
		s.Drift("", "", "mx1")
	}
	for title, c := range map[string]struct {
		policy dkim.Algorithm
		change func(*plantest.Scene)
		want   dkim.Algorithm
	}{
		"as the policy says":      {dkim.Ed25519, func(*plantest.Scene) {}, dkim.Ed25519},
		"as it signs":             {dkim.RSA2048, func(*plantest.Scene) {}, dkim.Ed25519},
		"as it signs, with RSA":   {dkim.Ed25519, func(s *plantest.Scene) { s.Have.Selectors["s1"].Key = anRSA() }, dkim.RSA2048},
		"any signer":              {dkim.RSA2048, func(s *plantest.Scene) { s.Seen.Unmixed = nil }, dkim.RSA2048},
		"nothing is known":        {dkim.RSA2048, func(s *plantest.Scene) { s.Have.Selectors["s1"].Key = nil }, dkim.RSA2048},
		"the record says nothing": {dkim.Ed25519, func(s *plantest.Scene) { s.Have.Selectors["s1"].Key.Record = "garbage" }, dkim.Ed25519},
		"the key was revoked": {dkim.RSA2048, func(s *plantest.Scene) {
			key := s.Have.Selectors["s1"].Key
			key.Record = dkim.RevokedRecord(key.Record)
		}, dkim.Ed25519},
		"in a move":                        {dkim.RSA2048, moves, dkim.Ed25519},
		"in a move, the active one counts": {dkim.RSA2048, func(s *plantest.Scene) { moves(s); s.Have.Earlier["s2"].Key = anRSA() }, dkim.Ed25519},
		"in a move, the other one is known": {dkim.RSA2048, func(s *plantest.Scene) { moves(s); delete(s.Have.Earlier, "s1") },
			dkim.Ed25519},
		"after a move": {dkim.RSA2048, func(s *plantest.Scene) {
			moves(s)
			s.Have.Active, s.Have.Selectors["a"] = "a", &rotate.Selector{}
		}, dkim.RSA2048},
		"a signer uses an adopted key": {dkim.RSA2048, func(s *plantest.Scene) { s.Have.Active = "" }, dkim.Ed25519},
		"the first of them counts": {dkim.Ed25519, func(s *plantest.Scene) {
			s.Have.Active, s.Have.Selectors["s1"].Key, s.Seen.Unmixed = "", anRSA(), map[string]bool{"mx1": true, "mx2": true}
			s.Drift("s2", plantest.KeyAt(1).ID, "mx2")
		}, dkim.RSA2048},
		"a signer that never came to a key can't sign with this kind": {dkim.RSA2048, idle, dkim.RSA2048},
		"it does not lead to Ed25519": {dkim.Ed25519, func(s *plantest.Scene) {
			s.Have.Selectors["s1"].Key = anRSA()
			idle(s)
		}, dkim.RSA2048},
		"one that came signs with nothing": {dkim.RSA2048, func(s *plantest.Scene) { s.Drift("", "", "mx1") }, dkim.Ed25519},
		"one that never came does not answer": {dkim.RSA2048, func(s *plantest.Scene) {
			idle(s)
			s.Silence("mx1")
		}, dkim.Ed25519},
		"new": {dkim.RSA2048, func(s *plantest.Scene) { moves(s); s.Have.Origin = nil }, dkim.RSA2048},
	} {
		s := plantest.Ready()
		s.Want.Policy.Key, s.Seen.Unmixed = c.policy, map[string]bool{"mx1": true}
		c.change(s)
		check := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
		if got := algorithm.Next(&check); got != c.want {
			t.Errorf("%s: %s, want %s", title, got, c.want)
		}
	}
}

// TestUnfit: a signer with one algorithm can't use a key of another kind after the one that signs now; where one of them
// is not known, or signers take any, nothing is unfit (I1).
func TestUnfit(t *testing.T) {
	rsa, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	anRSA := &rotate.Key{ID: rsa.ID(), Record: plantest.Record(rsa)}
	for title, c := range map[string]struct {
		now, next *rotate.Key
		any, want bool
	}{
		"the same kind":            {now: plantest.KeyAt(0), next: plantest.KeyAt(1)},
		"another kind":             {now: anRSA, next: plantest.KeyAt(1), want: true},
		"another kind, the others": {now: plantest.KeyAt(0), next: anRSA, want: true},
		"signers take any":         {now: anRSA, next: plantest.KeyAt(1), any: true},
		"none is next":             {now: anRSA},
		"none is next, the others": {now: plantest.KeyAt(0)},
		"none signs":               {next: anRSA},
		"none signs, the others":   {next: plantest.KeyAt(1)},
	} {
		s := plantest.Ready()
		s.Seen.Unmixed = map[string]bool{"mx1": !c.any}
		s.Have.Selectors = map[string]*rotate.Selector{"s1": {Key: c.now}, "s2": {Key: c.next}}
		check := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
		if got := algorithm.Unfit(&check, "s2"); got != c.want {
			t.Errorf("%s: unfit: %t", title, got)
		}
	}
}
