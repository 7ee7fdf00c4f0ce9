package ssh_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 through a real sshd: the line of others that counts in OpenDKIM on the host is named.
func TestOverruled(t *testing.T) {
	l := newLab(t)
	overruled.Run(t, overruled.Subject{Signer: l.open(t, nil), SignsWith: l.dkim.SignsWith,
		Overrule: func(t *testing.T, k dkim.SigningKey) {
			overruled.First(t, l.dkim.KeyTable, "own "+k.Domain+":"+k.Selector+":"+overruled.OwnKey(t, l.dkim.KeyDir, k))
			overruled.First(t, l.dkim.SigningTable, "*@"+k.Domain+" own")
			if said, err := exec.Command(l.at("reload")).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
		}})
}

// TestUnkept guards I1 through a real sshd: OpenDKIM on the host signs with what it has read, and others have written
// their tables over dkimbot's. That is said, and the next activation writes dkimbot's lines again.
func TestUnkept(t *testing.T) {
	l := newLab(t)
	s, k := l.open(t, nil), signertest.Keys(t, 2)
	ours := signertest.At("a.example", "s1", k[0])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{ours}))
	own := overruled.OwnKey(t, l.dkim.KeyDir, signertest.At("a.example", "own", k[1]))
	must(t, os.WriteFile(l.dkim.KeyTable, []byte("own a.example:own:"+own+"\n"), 0o644))
	must(t, os.WriteFile(l.dkim.SigningTable, []byte("*@a.example own\n"), 0o644))
	for _, wants := range []string{"gives selector own to a.example", ""} {
		active, err := s.Active(t.Context(), []string{"a.example"})
		if err != nil || active["a.example"] != ours.Ref() {
			t.Fatalf("active: %v, %v", active, err)
		}
		says := s.Unkept(t.Context(), active)["a.example"]
		if !strings.Contains(says, wants) || (says == "") != (wants == "") {
			t.Errorf("it says %q, want %q", says, wants)
		}
		must(t, s.Activate(t.Context(), []dkim.SigningKey{ours}))
	}
}
