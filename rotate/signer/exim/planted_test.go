package exim

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/planted"
)

// TestPlantedKeyFile guards I1 and I6 with the real Exim.
func TestPlantedKeyFile(t *testing.T) {
	planted.Run(t, func(t *testing.T) planted.Subject {
		e := signertest.StartExim(t)
		s := newSigner(t, e, nil)
		return planted.Subject{Signer: s, Place: s.store.File, SignsWith: e.SignsWith}
	})
}
