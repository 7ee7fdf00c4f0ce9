package wayout_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestSoonest: a signer whose mail fails wherever it is verified does not wait until resolvers know the good key's record;
// one whose mail may verify does (I2).
func TestSoonest(t *testing.T) {
	emptied := "v=DKIM1; k=ed25519; p="
	for title, c := range map[string]struct {
		change func(*scene)
		waits  bool
	}{
		"its mail verifies":           {func(*scene) {}, true},
		"its key was revoked":         {func(s *scene) { s.Show("s1", emptied) }, false},
		"its record is gone":          {func(s *scene) { s.Show("s1") }, false},
		"it signs with nothing":       {func(s *scene) { s.Drift("", "", "mx1") }, false},
		"it does not answer":          {func(s *scene) { s.Show("s1", emptied); s.Silence("mx1") }, true},
		"not every server is so":      {func(s *scene) { s.Lag("s1") }, true},
		"another one's mail fails":    {func(s *scene) { s.Drift("s9", "", "mx2") }, true},
		"DNS can't be asked about it": {func(s *scene) { s.DNSSilent("s1") }, true},
	} {
		s := plantest.Ready()
		s.Have.Selectors["s2"].Key.VerifiedAt, s.Have.Selectors["s2"].Key.CacheWait = s.Now, time.Hour
		c.change(s)
		h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
		if at, known := wayout.Soonest(&h, "mx1", "s2"), s.Now.Add(time.Hour); at.Equal(known) != c.waits || at.IsZero() == c.waits {
			t.Errorf("%s: it is given the key at %s", title, at)
		}
	}
}
