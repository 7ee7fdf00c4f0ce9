package maddy

import (
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestUnderscores: the sign that maddy's file names have between domain and selector may stand in both.
func TestUnderscores(t *testing.T) {
	m := signertest.StartMaddy(t)
	s := newSigner(t, m, nil)
	k := signertest.Keys(t, 3)
	at := func(selector string, key *dkim.PrivateKey) dkim.SigningKey {
		return signertest.At("a_b.example", selector, key)
	}
	for _, key := range []dkim.SigningKey{at("s_1", k[0]), at("s_2", k[1]), at("s_1", k[2])} {
		activate(t, s, key)
		if is, err := s.Active(t.Context(), []string{key.Domain}); err != nil || is[key.Domain] != key.Ref() {
			t.Fatalf("signed with %v, %v; want %v", is, err, key.Ref())
		}
	}
	if err := s.Forget(t.Context(), []dkim.Ref{at("s_1", k[0]).Ref()}); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(m.KeyDir + "/*_s_1.*"); len(files) != 1 || filepath.Base(files[0]) != "a_b.example_s_1.2.key" {
		t.Errorf("left: %v", files)
	}
}
