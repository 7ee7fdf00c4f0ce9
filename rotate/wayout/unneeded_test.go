package wayout_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestUnneeded: a fresh key may take the place of the standby's where the keystore has lost that one, and every signer
// says that it signs with something else (I2).
func TestUnneeded(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*plantest.Scene)
		want   bool
	}{
		"lost":                         {func(*plantest.Scene) {}, true},
		"there":                        {func(s *plantest.Scene) { s.Hold("s2", plantest.KeyAt(1).ID, 2) }, false},
		"the keystore does not answer": {func(s *plantest.Scene) { s.KeystoreSilent("s2") }, false},
		"a signer strays":              {func(s *plantest.Scene) { s.Drift("mail", "other", "mx2") }, true},
		"a signer uses it":             {func(s *plantest.Scene) { s.Drift("s2", plantest.KeyAt(1).ID, "mx2") }, false},
		"a signer does not answer":     {func(s *plantest.Scene) { s.Silence("mx2") }, false},
		"a signer was not asked":       {func(s *plantest.Scene) { delete(s.Seen.Signers, "mx2") }, false},
	} {
		s := plantest.Ready()
		s.Hold("s2", "", 2)
		c.change(s)
		check := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
		if got := wayout.Unneeded(&check.Judge, "s2"); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}
