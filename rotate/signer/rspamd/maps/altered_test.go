package maps

import (
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/altered"
)

// TestAlteredKeyFile guards I1 and I10 with the real rspamd.
func TestAlteredKeyFile(t *testing.T) {
	altered.Run(t, func(t *testing.T) altered.Subject {
		d, s := start(t, everyMap)
		return altered.Subject{Signer: s, SignsWith: d.SignsWith,
			File:    func(ref dkim.Ref) string { return filepath.Join(s.cfg.KeyDir, fileName(ref.Name)) },
			Between: func(do func()) { s.step = func(string) error { do(); return nil } }}
	})
}
