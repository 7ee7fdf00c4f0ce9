package dkimpy

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 with the real daemon, which takes the last line of a pattern.
func TestOverruled(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	overruled.Run(t, overruled.Subject{Signer: newSigner(t, d, nil), SignsWith: d.SignsWith,
		Overrule: func(t *testing.T, k dkim.SigningKey) {
			overruled.Last(t, d.KeyTable, "own "+k.Domain+":"+k.Selector+":"+overruled.OwnKey(t, d.KeyDir, k))
			overruled.Last(t, d.KeyTableEd25519, "own "+k.Domain+":"+k.Selector+":"+noKey)
			overruled.Last(t, d.SigningTable, "*@"+k.Domain+" own")
			d.Start(t)
		}})
}
