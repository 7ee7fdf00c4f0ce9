package ssh_test

import (
	"os/exec"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 through a real sshd: the line of others that counts in OpenDKIM on the host is named.
func TestOverruled(t *testing.T) {
	l := newLab(t)
	overruled.Run(t, overruled.Subject{Signer: l.open(t, nil), SignsWith: l.dkim.SignsWith,
		Overrule: func(t *testing.T, k dkim.SigningKey) {
			overruled.First(t, l.dkim.KeyTable, "own "+k.Domain+":"+k.Selector+":"+overruled.OwnKey(t, l.dkim.KeyDir, k))
			overruled.First(t, l.dkim.SigningTable, "*@"+k.Domain+" own")
			if said, err := exec.Command(l.at("reload")).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
		}})
}
