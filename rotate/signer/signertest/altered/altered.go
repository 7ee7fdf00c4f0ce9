// Package altered tests adapters whose key files another program may overwrite in their place, with a key that is not
// the one which dkimbot wrote there.
//
// It is for tests only. It may import the leaves and rotate/signer/signertest.
package altered

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// Subject is one adapter under test, signing for nothing yet.
type Subject struct {
	Signer signertest.Signer
	// SignsWith tells by other means than the adapter which of the keys signs mail of the domain now.
	SignsWith func(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref
	// File returns where the key of a.example is kept that this names.
	File func(ref dkim.Ref) string
	// Between has do run between any two operations of the adapter from now on.
	Between func(do func())
	// Again, when not nil, has the daemon read its files again, behind the adapter's back.
	Again func(t *testing.T)
	// Unnamed is of an adapter that can't name the file, since the file's name does not say which key belongs there.
	Unnamed bool
}

// namer is ports.Sharer.
type namer interface {
	Overruled(ctx context.Context, domains []string) map[string]string
}

// Run guards I1 and I10: a signer with a wrong key in the file of its key is never said to sign with the right one, nor
// with the one before, the file is named, and the next Activate writes the key again, which then signs.
func Run(t *testing.T, fresh func(t *testing.T) Subject) {
	k := signertest.Keys(t, 4)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	other := signertest.At("b.example", "s1", k[2])
	for name, held := range map[string][]byte{"another key": k[3].PEM(), "no key": []byte("nothing\n")} {
		t.Run(name, func(t *testing.T) {
			t.Run("after a switch", func(t *testing.T) {
				s := fresh(t)
				s.activate(t, s1, other)
				s.overwrite(t, s1, held)
				if s.Again != nil && name == "another key" { // without a key some would not start
					s.Again(t)
				}
				s.wantWrong(t, k, s1)
				s.activate(t, s1)
				s.wantRight(t, k, s1, other)
			})
			t.Run("at a switch", func(t *testing.T) {
				s := fresh(t)
				s.activate(t, s1, other)
				done := false
				s.Between(func() {
					if _, err := os.Stat(s.File(s2.Ref())); err == nil && !done {
						done = true
						s.overwrite(t, s2, held)
					}
				})
				if err := s.Signer.Activate(t.Context(), []dkim.SigningKey{s2}); err == nil {
					s.wantRight(t, k, s2, other) // it has seen and repaired it
				} else if name == "another key" && s.signs(t, "a.example", k) != s1.Ref() { // else it was brought back
					s.wantWrong(t, k, s1, s2)
				}
				if !done {
					t.Fatal("the file was not overwritten")
				}
				s.activate(t, s2)
				s.wantRight(t, k, s2, other)
			})
		})
	}
}

func (s Subject) overwrite(t *testing.T, key dkim.SigningKey, held []byte) {
	t.Helper()
	f, err := os.OpenFile(s.File(key.Ref()), os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		_, err = f.Write(held)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s Subject) activate(t *testing.T, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Signer.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v", err)
	}
}

func (s Subject) signs(t *testing.T, domain string, k []*dkim.PrivateKey) dkim.Ref {
	t.Helper()
	return s.SignsWith(t, domain, k...)
}

// wantWrong wants the adapter to say nothing of the right keys, and to name the file of the last one.
func (s Subject) wantWrong(t *testing.T, k []*dkim.PrivateKey, right ...dkim.SigningKey) {
	t.Helper()
	active, err := s.Signer.Active(t.Context(), []string{"a.example"})
	for _, key := range right {
		if err == nil && active["a.example"] == key.Ref() {
			t.Errorf("it says that the right key of %s signs", key.Name)
		}
	}
	file := s.File(right[len(right)-1].Ref())
	if n, ok := s.Signer.(namer); ok && !s.Unnamed {
		said := n.Overruled(t.Context(), []string{"a.example", "b.example"})
		if len(said) != 1 || !strings.Contains(said["a.example"], file) {
			t.Errorf("it says %q; want it to name %s", said, file)
		}
	}
}

// wantRight wants the adapter, and the signer within its Lag, to use the keys.
func (s Subject) wantRight(t *testing.T, k []*dkim.PrivateKey, keys ...dkim.SigningKey) {
	t.Helper()
	want, domains := map[string]dkim.Ref{}, []string{}
	for _, key := range keys {
		want[key.Domain], domains = key.Ref(), append(domains, key.Domain)
	}
	if got, err := s.Signer.Active(t.Context(), domains); err != nil || !cmp.Equal(got, want) {
		t.Errorf("Active: %v, %v; want %v", got, err, want)
	}
	if n, ok := s.Signer.(namer); ok {
		if said := n.Overruled(t.Context(), domains); len(said) > 0 {
			t.Errorf("it says %q of what is right", said)
		}
	}
	for _, key := range keys {
		for deadline := time.Now().Add(s.Signer.Lag()); ; time.Sleep(10 * time.Millisecond) {
			got := s.signs(t, key.Domain, k)
			if got == key.Ref() {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is signed with %+v; want %+v", key.Domain, got, key.Ref())
			}
		}
	}
}
