package dkimpy

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/altered"
)

// TestAlteredKeyFile guards I1 and I10 with the real daemon, which reads key files when it starts.
func TestAlteredKeyFile(t *testing.T) {
	altered.Run(t, func(t *testing.T) altered.Subject {
		d := signertest.StartDkimpyMilter(t, true)
		s := newSigner(t, d, nil)
		return altered.Subject{Signer: s, SignsWith: d.SignsWith, File: s.store.File, Again: func(t *testing.T) { d.Start(t) },
			Between: func(do func()) { s.step = func(string) error { do(); return nil } }}
	})
}
