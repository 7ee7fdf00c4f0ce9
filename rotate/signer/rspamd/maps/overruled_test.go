package maps

import (
	"os"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 with the real rspamd, which takes the last line of a domain.
func TestOverruled(t *testing.T) {
	d, s := start(t, everyMap)
	overruled.Run(t, overruled.Subject{Signer: s, SignsWith: d.SignsWith, Overrule: func(t *testing.T, k dkim.SigningKey) {
		if err := os.Rename(overruled.OwnKey(t, d.KeyDir, k), d.KeyDir+"/"+fileName(k.Name)); err != nil {
			t.Fatal(err)
		}
		overruled.Last(t, s.cfg.SelectorMap, k.Domain+" "+k.Selector)
		overruled.Last(t, s.cfg.ArcSelectorMap, k.Domain+" "+k.Selector)
	}})
}
