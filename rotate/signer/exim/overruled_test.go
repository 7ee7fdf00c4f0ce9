package exim

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 with the real Exim, which takes the first line of a domain.
func TestOverruled(t *testing.T) {
	e := signertest.StartExim(t)
	overruled.Run(t, overruled.Subject{Signer: newSigner(t, e, nil), SignsWith: e.SignsWith,
		Overrule: func(t *testing.T, k dkim.SigningKey) {
			overruled.First(t, e.Table, k.Domain+": selector="+k.Selector+" privkey="+overruled.OwnKey(t, e.KeyDir, k))
		}})
}
