package kumomta

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/altered"
)

// TestAlteredKeyFile guards I1 and I10 with what KumoMTA does.
func TestAlteredKeyFile(t *testing.T) {
	altered.Run(t, func(t *testing.T) altered.Subject {
		k, s := start(t, nil)
		return altered.Subject{Signer: s, File: s.store.File,
			SignsWith: func(t testing.TB, domain string, _ ...*dkim.PrivateKey) dkim.Ref {
				return k.signsWith(t.(*testing.T), domain)
			},
			Between: func(do func()) { s.step = func(string) error { do(); return nil } }}
	})
}
