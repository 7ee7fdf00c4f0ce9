package maps

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/moved"
)

// TestMovedMap: where the map's path is changed in dkimbot's configuration only, rspamd signs on by the old one, and
// needs the key file that it names.
func TestMovedMap(t *testing.T) {
	keys := signertest.Keys(t, 2)
	one, two := signertest.At("a.example", "s1", keys[0]), signertest.At("a.example", "s2", keys[1])
	d, s := start(t, nil)
	activate(t, s, one)
	old := s.cfg.SelectorMap
	s = adapter(d, func(c *Config) { c.SelectorMap += "-moved" })
	moved.Refused(t, s, one, two, "rspamd may still read", old, s.cfg.SelectorMap, "put the path back")
	for end := time.Now().Add(time.Minute); d.SignsWith(t, "a.example", keys...) != one.Ref(); { // when it has read the map
		if time.Now().After(end) {
			t.Fatal("rspamd does not sign by the old map")
		}
	}
	activate(t, adapter(d, nil), two) // the path is put back
}
