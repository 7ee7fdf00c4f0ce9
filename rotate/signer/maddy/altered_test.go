package maddy

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/altered"
)

// TestAlteredKeyFile guards I1 and I10 with the real maddy, which reads key files when it starts.
func TestAlteredKeyFile(t *testing.T) {
	altered.Run(t, func(t *testing.T) altered.Subject {
		m := signertest.StartMaddy(t)
		s := newSigner(t, m, nil)
		return altered.Subject{Signer: s, SignsWith: m.SignsWith, Again: func(t *testing.T) { m.Start(t) }, Unnamed: true,
			File:    func(ref dkim.Ref) string { return s.at(ref.Name, 1).file(ref.Domain) },
			Between: func(do func()) { s.step = func(string) error { do(); return nil } }}
	})
}
