package rotate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestTestModeIsAPersons: the record of a key that somebody has put in test mode is a person's also at a selector that
// the domain has left, where the key is remembered as one that stood there (I6). That of a compromised key goes.
func TestTestModeIsAPersons(t *testing.T) {
	key := plantest.Keys()[0]
	own := plantest.Record(key)
	trial, noted := strings.Replace(own, "; p=", "; t=y; p=", 1), strings.Replace(own, "; p=", "; n=mine; p=", 1)
	for name, c := range map[string]struct {
		shown  string
		leaked bool
		past   []string
		ours   bool
	}{
		"as it was":               {own, false, []string{key.ID()}, true},
		"another tag":             {noted, false, []string{key.ID()}, true},
		"in test mode":            {trial, false, []string{key.ID()}, false},
		"in test mode, not left":  {trial, false, nil, false},
		"in test mode, adopted":   {trial, false, []string{key.ID()}, true},
		"in test mode, stolen":    {trial, true, []string{key.ID()}, true},
		"the key that was before": {plantest.Record(plantest.Keys()[1]), false, []string{plantest.Keys()[1].ID()}, true},
	} {
		k, retired := &rotate.Key{ID: key.ID(), Record: own}, []rotate.Retired(nil)
		if c.past != nil && name != "in test mode, adopted" {
			retired = []rotate.Retired{{KeyID: key.ID()}}
		}
		if c.leaked {
			k.Leaked = time.Unix(1, 0)
		}
		if got := (rotate.Selector{Key: k, Past: c.past, Retired: retired}).Ours(c.shown); got != c.ours {
			t.Errorf("%s: it is dkimbot's: %t", name, got)
		}
	}
}
