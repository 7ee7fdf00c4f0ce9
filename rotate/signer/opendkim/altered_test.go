package opendkim

import (
	"os/exec"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/altered"
)

// TestAlteredKeyFile guards I1 and I10 with the real daemon, which reads a key file for each message.
func TestAlteredKeyFile(t *testing.T) {
	for name, edit := range map[string]func(*Config){"proved": nil, "not proved": withoutMilter} {
		t.Run(name, func(t *testing.T) {
			altered.Run(t, func(t *testing.T) altered.Subject {
				d := signertest.StartOpenDKIM(t)
				s := newSigner(t, d, edit)
				return altered.Subject{Signer: s, SignsWith: d.SignsWith, File: s.keyPath,
					Between: func(do func()) { s.beforeStep = func(string) error { do(); return nil } },
					Again: func(t *testing.T) {
						if said, err := exec.Command(d.Reload()[0], d.Reload()[1:]...).CombinedOutput(); err != nil {
							t.Fatalf("%v: %s", err, said)
						}
					}}
			})
		})
	}
}
