package dkimpy

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/planted"
)

// TestPlantedKeyFile guards I1 and I6 with the real daemon.
func TestPlantedKeyFile(t *testing.T) {
	planted.Run(t, func(t *testing.T) planted.Subject {
		d := signertest.StartDkimpyMilter(t, false)
		s := newSigner(t, d, nil)
		return planted.Subject{Signer: s, Place: s.store.File, SignsWith: d.SignsWith}
	}, "pipe", "another key")
}
