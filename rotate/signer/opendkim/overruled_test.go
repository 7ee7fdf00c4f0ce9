package opendkim

import (
	"os/exec"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 with the real daemon, which takes the first line that matches.
func TestOverruled(t *testing.T) {
	for name, edit := range map[string]func(*Config){"proved": nil, "not proved": withoutMilter} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			overruled.Run(t, overruled.Subject{Signer: newSigner(t, d, edit), SignsWith: d.SignsWith,
				Overrule: func(t *testing.T, k dkim.SigningKey) {
					overruled.First(t, d.KeyTable, "own "+k.Domain+":"+k.Selector+":"+overruled.OwnKey(t, d.KeyDir, k))
					overruled.First(t, d.SigningTable, "*@"+k.Domain+" own")
					if said, err := exec.Command(d.Reload()[0], d.Reload()[1:]...).CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, said)
					}
				}})
		})
	}
}
