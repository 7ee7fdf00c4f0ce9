package maddy

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/planted"
)

// TestPlantedKeyFile guards I1 and I6 with the real daemon.
func TestPlantedKeyFile(t *testing.T) {
	planted.Run(t, func(t *testing.T) planted.Subject {
		m := signertest.StartMaddy(t)
		s := newSigner(t, m, nil)
		return planted.Subject{Signer: s, Place: func(ref dkim.Ref) string { return s.at(ref.Name, 1).file(ref.Domain) }, SignsWith: m.SignsWith}
	})
}
