package dkimpy

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestLostKeyFiles guards I1: the daemon signs with keys whose files are lost, until it is restarted, and would not
// start then. It is not restarted before they are there again; one that is down is started with them.
func TestLostKeyFiles(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 4)
	a, b := signertest.At("a.example", "s1", k[0]), signertest.At("b.example", "s1", k[1])
	next := signertest.At("a.example", "s2", k[2])
	activate(t, s, a, b)
	lose := func() {
		t.Helper()
		if err := os.RemoveAll(d.KeyDir); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(keys ...dkim.SigningKey) {
		t.Helper()
		for _, key := range keys {
			if got := d.SignsWith(t, key.Domain, k...); got != key.Ref() {
				t.Errorf("%s is signed with %+v", key.Domain, got)
			}
		}
	}

	lose()
	file := s.store.File(b.Ref())
	active, err := s.Active(t.Context(), []string{"b.example"})
	if err != nil || active["b.example"].KeyID != signer.UnknownKey {
		t.Errorf("with a key that is in no file: %v, %v", active, err)
	}
	if says := s.Overruled(t.Context(), []string{"b.example"})["b.example"]; !strings.Contains(says, file) {
		t.Errorf("the missing file is not named: %q", says)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), string(codes.UnloadableLine), file)
	if _, err := s.Screen(t.Context(), []dkim.SigningKey{next}); fault.CodeOf(err) != codes.UnloadableLine {
		t.Errorf("foreseen: %v", err)
	}
	wants(a, b)

	activate(t, s, b) // of the others, it needs no restart
	activate(t, s, next)
	wants(next, b)

	s.KnowKeys(func(_ context.Context, n dkim.Name) (*dkim.PrivateKey, error) {
		return map[dkim.Name]*dkim.PrivateKey{a.Name: k[0], b.Name: k[1], next.Name: k[2]}[n], nil
	})
	lose()
	if _, err := s.Screen(t.Context(), []dkim.SigningKey{a}); err != nil {
		t.Errorf("foreseen, although the keystore has the key: %v", err)
	}
	activate(t, s, a)
	wants(a, b)

	d.Stop(t)
	lose()
	active, err = s.Active(t.Context(), []string{"a.example", "b.example"})
	if err != nil || len(active) != 0 {
		t.Errorf("down, and can't start: %v, %v", active, err)
	}
	if says := s.Overruled(t.Context(), []string{"b.example"})["b.example"]; !strings.Contains(says, "turned away") {
		t.Errorf("it is not said that mail is turned away: %q", says)
	}
	activate(t, s, b)
	wants(a, b)
}
