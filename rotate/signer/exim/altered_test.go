package exim

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/altered"
)

// TestAlteredKeyFile guards I1 and I10 with the real Exim, which reads a key file for each message.
func TestAlteredKeyFile(t *testing.T) {
	altered.Run(t, func(t *testing.T) altered.Subject {
		e := signertest.StartExim(t)
		s := newSigner(t, e, nil)
		return altered.Subject{Signer: s, SignsWith: e.SignsWith, File: s.store.File,
			Between: func(do func()) { s.step = func(string) error { do(); return nil } }}
	})
}
