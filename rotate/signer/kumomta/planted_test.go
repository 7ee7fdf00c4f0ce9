package kumomta

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest/planted"
)

// TestPlantedKeyFile guards I1 and I6 with the files as KumoMTA reads them.
func TestPlantedKeyFile(t *testing.T) {
	planted.Run(t, func(t *testing.T) planted.Subject {
		_, s := start(t, nil)
		return planted.Subject{Signer: s, Place: s.store.File}
	})
}
