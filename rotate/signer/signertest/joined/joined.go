// Package joined tests adapters whose program joins selector and domain to one name, so that two domains may have one
// place for their keys.
//
// It is for tests only. It may import the leaves and rotate/signer/signertest.
package joined

import (
	"context"
	"fmt"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// Subject is one adapter under test, signing for nothing yet.
type Subject struct {
	Signer interface {
		signertest.Signer
		signertest.Forgetter
		Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error)
	}
	Domain   string
	Selector func(own string) string // that a.example joins to the same name as Domain does its own
	// Lead has the program sign mail of Domain with a selector, behind the adapter's back.
	Lead func(selector string)
	Want func(err error, code string, words ...string) // WantCode, for the caller's file of faults
}

// Run guards I1 and I2 where two domains would have one place for their keys: no key is replaced or removed that
// another domain is signed with, or may be again.
func Run(t *testing.T, s Subject) {
	k := signertest.Keys(t, 4)
	first := func(own string, key *dkim.PrivateKey) dkim.SigningKey {
		return signertest.At("a.example", s.Selector(own), key)
	}
	second := func(own string, key *dkim.PrivateKey) dkim.SigningKey { return signertest.At(s.Domain, own, key) }
	sign := func(keys ...dkim.SigningKey) {
		t.Helper()
		if err := s.Signer.Activate(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(key dkim.SigningKey, other string) {
		t.Helper()
		err := s.Signer.Activate(t.Context(), []dkim.SigningKey{key})
		s.Want(err, "foreign-key-file", "also where a key of "+other+" is", "--change-selectors")
		if each, _ := s.Signer.Screen(t.Context(), []dkim.SigningKey{key}); fmt.Sprint(each[key.Domain]) != fmt.Sprint(err) {
			t.Errorf("foreseen: %v; came: %v", each, err)
		}
	}
	signed := func(keys ...dkim.SigningKey) {
		t.Helper()
		for _, key := range keys {
			if is, err := s.Signer.Active(t.Context(), []string{key.Domain}); err != nil || is[key.Domain] != key.Ref() {
				t.Errorf("%s is signed with %+v, %v; want %+v", key.Domain, is, err, key.Ref())
			}
		}
	}
	forget := func(key dkim.SigningKey) error { return s.Signer.Forget(t.Context(), []dkim.Ref{key.Ref()}) }

	both := []dkim.SigningKey{first("s1", k[0]), second("s1", k[1])}
	s.Want(s.Signer.Activate(t.Context(), both), "foreign-key-file", s.Domain, "a.example")
	signed(both[0])
	refused(both[1], "a.example")
	sign(second("s2", k[1]))
	refused(first("s2", k[2]), s.Domain)
	signed(both[0], second("s2", k[1]))

	moved := signertest.At("a.example", "m1", k[2])
	sign(moved)
	refused(both[1], "a.example") // a.example may come back to its key until it is forgotten
	if err := forget(both[0]); err != nil {
		t.Fatal(err)
	}
	sign(both[1])
	if err := forget(both[0]); err != nil {
		t.Fatal(err)
	}
	refused(both[0], s.Domain)
	signed(moved, both[1])

	used := first("s3", k[0])
	sign(used)
	sign(moved)
	s.Lead("s3")
	s.Want(forget(used), "key-in-use", "mail of "+s.Domain+" is signed", "dkimbot repair --domain "+s.Domain)
	sign(second("s3", k[3]))
	if err := forget(used); err != nil {
		t.Fatal(err)
	}
	signed(moved, second("s3", k[3]))
	s.Lead("s4") // whose key is missing
	refused(first("s4", k[0]), s.Domain)
}
