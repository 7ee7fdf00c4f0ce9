package dkimpy

import (
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 with the real daemon, which takes the last line of a pattern.
func TestOverruled(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	overruled.Run(t, overruled.Subject{Signer: newSigner(t, d, nil), SignsWith: d.SignsWith,
		Overrule: func(t *testing.T, k dkim.SigningKey) {
			overruled.Last(t, d.KeyTable, "own "+k.Domain+":"+k.Selector+":"+overruled.OwnKey(t, d.KeyDir, k))
			overruled.Last(t, d.KeyTableEd25519, "own "+k.Domain+":"+k.Selector+":"+noKey)
			overruled.Last(t, d.SigningTable, "*@"+k.Domain+" own")
			d.Start(t)
		}})
}

// TestLostLine guards I1: the daemon signs with what it has read, although the line of ours is gone. That is found before
// its next start, and the next activation writes it again.
func TestLostLine(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 1)
	a := signertest.At("a.example", "s1", k[0])
	activate(t, s, a)
	before, err := os.ReadFile(d.SigningTable)
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []bool{false, true, false} {
		if lost {
			text := strings.ReplaceAll(string(before), "a.example", "other.example")
			if err := os.WriteFile(d.SigningTable, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.SignsWith(t, "a.example", k...); got != a.Ref() {
			t.Errorf("lost %t: signed with %+v", lost, got)
		}
		says := s.Unkept(t.Context(), []string{"a.example", "b.example"})
		if (len(says) == 1 && strings.Contains(says["a.example"], "no more after its next start")) != lost || !lost && len(says) > 0 {
			t.Errorf("lost %t: it says %q", lost, says)
		}
		activate(t, s, a)
	}
}
