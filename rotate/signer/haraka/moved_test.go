package haraka

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestMovedConfig guards I1: where the path of Haraka's config directory is changed in dkimbot's configuration only, Haraka
// signs on by the old smtp.json, as dkimbot's state remembers, and needs the key that it names.
func TestMovedConfig(t *testing.T) {
	keys := signertest.Keys(t, 2)
	one, two := signertest.At("b.example", "s1", keys[0]), signertest.At("b.example", "s2", keys[1])
	before := idle(t)
	activate(t, before, one)
	config := filepath.Join(filepath.Dir(before.cfg.Config), "moved")
	if err := os.MkdirAll(filepath.Join(config, "dkim"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newSigner(t, config)
	s.SignedBy(before.Tables())
	activated := s.Activate(t.Context(), []dkim.SigningKey{two})
	_, screened := s.Screen(t.Context(), []dkim.SigningKey{two})
	_, asked := s.Active(t.Context(), []string{"b.example"})
	for _, err := range []error{activated, screened, asked} {
		signertest.WantCode(t, err, "moved-table", "may still read "+before.path(), s.path(), "put the path back")
	}
	write(t, before.path(), "{}")
	activate(t, s, two)
	if active, err := s.Active(t.Context(), []string{"b.example"}); err != nil || active["b.example"] != two.Ref() {
		t.Errorf("in force is %v: %v", active, err)
	}
}
