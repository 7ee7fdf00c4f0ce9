package ssh_test

import (
	"maps"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestUnknownKey guards I1: on the host a daemon signs one domain from its memory, with a key that is in no file any
// more. That is said of this domain, the others are known as before, and the next activation gives it its key.
func TestUnknownKey(t *testing.T) {
	l := newLab(t)
	s, keys := l.open(t, nil), signertest.Keys(t, 3)
	one, two := signertest.At("a.example", "s1", keys[0]), signertest.At("b.example", "s1", keys[1])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{one, two}))
	tables := map[string]string{}
	for _, path := range []string{l.dkim.KeyTable, l.dkim.SigningTable} {
		text, err := os.ReadFile(path)
		must(t, err)
		tables[path] = string(text)
	}
	own := overruled.OwnKey(t, l.dkim.KeyDir, signertest.At("b.example", "s1", keys[2]))
	overruled.First(t, l.dkim.KeyTable, "own b.example:s1:"+own)
	overruled.First(t, l.dkim.SigningTable, "*@b.example own")
	if said, err := exec.Command(l.at("reload")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	want := map[string]dkim.Ref{"a.example": one.Ref(), "b.example": two.Ref()}
	for until := time.Now().Add(time.Minute); l.dkim.SignsWith(t, "b.example", keys...) == two.Ref(); {
		if time.Now().After(until) {
			t.Fatal("OpenDKIM has not read the tables again")
		}
	}
	for path, text := range tables { // as before, and not read again
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	active, err := s.Active(t.Context(), []string{"a.example", "b.example"})
	unknown := maps.Clone(want)
	unknown["b.example"] = dkim.Ref{Name: two.Name, KeyID: signer.UnknownKey}
	if err != nil || !maps.Equal(active, unknown) {
		t.Errorf("active: %v, %v; want %v", active, err, unknown)
	}
	must(t, s.Activate(t.Context(), []dkim.SigningKey{two}))
	l.signsWith(t, two)
	if active, err := s.Active(t.Context(), []string{"a.example", "b.example"}); err != nil || !maps.Equal(active, want) {
		t.Errorf("active: %v, %v; want %v", active, err, want)
	}
}
