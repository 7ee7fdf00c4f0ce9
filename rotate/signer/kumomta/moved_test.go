package kumomta

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/moved"
)

// TestMovedFile: where the data file's path is changed in dkimbot's configuration only, KumoMTA signs on by the old one,
// and needs the key file that it names.
func TestMovedFile(t *testing.T) {
	keys := signertest.Keys(t, 2)
	one, two := signertest.At("b.example", "s1", keys[0]), signertest.At("b.example", "s2", keys[1])
	k, s := start(t, nil)
	activate(t, s, one)
	old := s.cfg.File
	s.cfg.File += "-moved"
	moved.Refused(t, s, one, two, "KumoMTA may still read", old, s.cfg.File, "put the path back")
	if is := k.signsWith(t, "b.example"); is != one.Ref() {
		t.Errorf("KumoMTA signs with %v", is)
	}
	write(t, old, "")
	activate(t, s, two)
	if active, err := s.Active(t.Context(), []string{"b.example"}); err != nil || active["b.example"] != two.Ref() {
		t.Errorf("in force is %v: %v", active, err)
	}
}

// TestMovedFileWithVault: keys in Vault are in no directory, and no copy of them is removed.
func TestMovedFileWithVault(t *testing.T) {
	_, s := start(t, func(c *Config) { c.Keys, c.KeyDir, c.Owner, c.Path = inVault, "", "", "dkim" })
	if err := s.Forget(t.Context(), []dkim.Ref{signertest.At("b.example", "s1", signertest.Keys(t, 1)[0]).Ref()}); err != nil {
		t.Error(err)
	}
	s.store.Remember(s.cfg.File)
	if err := s.store.Moved(s.cfg.File + "-moved"); err != nil {
		t.Error(err)
	}
}
