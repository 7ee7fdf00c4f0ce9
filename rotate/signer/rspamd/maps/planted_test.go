package maps

import (
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/planted"
)

// TestPlantedKeyFile guards I1 and I6 with maps as rspamd reads them.
func TestPlantedKeyFile(t *testing.T) {
	planted.Run(t, func(t *testing.T) planted.Subject {
		d := signertest.NewRspamd(t)
		s := adapter(d, everyMap)
		return planted.Subject{Signer: later{s}, Aside: true, Place: func(ref dkim.Ref) string { return filepath.Join(d.KeyDir, fileName(ref.Name)) }}
	})
}
